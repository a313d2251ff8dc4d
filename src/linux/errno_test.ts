import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { failedWith, SyscallError } from "./errno.ts";
import { O_PATH, openFile } from "./open.ts";

Deno.test("a failed call names itself, its arguments and the error", () => {
  assertThrows(
    () => openFile("/nowhere/at all", O_PATH),
    SyscallError,
    'openat("/nowhere/at all"): ENOENT, no such file or directory',
  );
});

Deno.test("failedWith() knows the error, and only errors of calls", () => {
  const error = new SyscallError("mount", [], 16);
  assertEquals(failedWith(error, "EINVAL", "EBUSY"), true);
  assertEquals(failedWith(error, "EINVAL"), false);
  assertEquals(failedWith(new Error("EBUSY"), "EBUSY"), false);
});
