import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { listDirectory, makeDirectories, removeFile } from "./directory.ts";
import { SyscallError } from "./errno.ts";
import { inTempDir } from "./file_testing.ts";
import { statPath } from "./stat.ts";

Deno.test("listDirectory() finds every name of a directory larger than one read", () => {
  inTempDir((directory) => {
    const names = Array.from({ length: 2000 }, (_, i) => `a-name-of-some-length-${i}`);
    names.forEach((name) => Deno.writeTextFileSync(`${directory}/${name}`, ""));
    assertEquals(listDirectory(directory).toSorted(), names.toSorted());
  });
});

Deno.test("makeDirectories() makes what is missing, through links, and keeps what is there", () => {
  inTempDir((directory) => {
    Deno.mkdirSync(`${directory}/there`, { mode: 0o700 });
    Deno.symlinkSync("there", `${directory}/link`);
    makeDirectories(`${directory}/link/a/b`);
    makeDirectories(`${directory}/link/a/b`);
    assertEquals(statPath(`${directory}/there/a/b`).mode, 0o755);
    assertEquals(statPath(`${directory}/there`).mode, 0o700);
  });
});

Deno.test("makeDirectories() refuses a way through a file", () => {
  inTempDir((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    assertThrows(() => makeDirectories(`${directory}/file/a`), SyscallError, "ENOTDIR");
  });
});

Deno.test("removeFile() removes a file, and is content where there is none", () => {
  inTempDir((directory) => {
    Deno.writeTextFileSync(`${directory}/file`, "");
    removeFile(`${directory}/file`);
    removeFile(`${directory}/file`);
    assertEquals(listDirectory(directory), []);
    assertThrows(() => removeFile(directory), SyscallError, "EISDIR");
  });
});
