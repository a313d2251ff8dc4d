import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { listDirectory } from "./directory.ts";
import { inTempDir } from "./file_testing.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openFile } from "./open.ts";
import { readKernelFile, readText, replaceFileAt } from "./read_write.ts";

Deno.test("readText() refuses more than its limit", () => {
  using fd = openFile("/dev/zero", O_RDONLY);
  assertThrows(() => readText(fd, 1000), RangeError, "longer than 1000 bytes");
});

Deno.test("readKernelFile() reads files whose size the kernel does not tell", () => {
  assertEquals(readKernelFile("/proc/self/comm").endsWith("\n"), true);
});

Deno.test("replaceFileAt() leaves the new text under the name, and nothing else", () => {
  inTempDir((directory) => {
    Deno.writeTextFileSync(`${directory}/pid`, "a longer text that was there");
    using fd = openFile(directory, O_PATH | O_DIRECTORY);
    replaceFileAt(fd, "pid", "7\n");
    assertEquals(Deno.readTextFileSync(`${directory}/pid`), "7\n");
    assertEquals(listDirectory(directory), ["pid"]);
  });
});
