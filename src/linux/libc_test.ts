import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "./errno.ts";
import { syscall } from "./libc.ts";

Deno.test("a call that fails throws the errno of that call", () => {
  const error = assertThrows(() => syscall("chdir", "/nowhere"), SyscallError);
  assertEquals([error.call, error.errno], ["chdir", 2]);
});

Deno.test("a call writes to the bytes that it is given", () => {
  const buffer = new Uint8Array(4096);
  const length = syscall("readlinkat", -100, "/proc/self/cwd", buffer, buffer.length);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, length)), Deno.cwd());
});

Deno.test("texts are passed as UTF-8, and refused with a NUL", () => {
  const directory = Deno.makeTempDirSync({ prefix: "volo-libc-" });
  try {
    syscall("mkdirat", -100, `${directory}/é`, 0o700);
    assertEquals(Deno.statSync(`${directory}/é`).isDirectory, true);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
  assertThrows(() => syscall("chdir", "/\0/etc"), TypeError, "NUL");
});
