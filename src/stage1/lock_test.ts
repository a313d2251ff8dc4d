import "../linux/libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { O_DIRECTORY, O_RDONLY, openFile } from "../linux/open.ts";
import { findLock } from "./lock.ts";

Deno.test("findLock() takes a descriptor of the working directory", () => {
  using directory = openFile(".", O_RDONLY | O_DIRECTORY);
  assertEquals(findLock(String(directory.number)).number, directory.number);
});

Deno.test("findLock() says what is wrong with any other", () => {
  using elsewhere = openFile("/proc", O_RDONLY | O_DIRECTORY);
  assertThrows(() => findLock(undefined), Error, "RKT_LOCK_FD: not set");
  assertThrows(() => findLock("x"), Error, '"x" is not a file descriptor');
  assertThrows(() => findLock("-1"), Error, "is not a file descriptor");
  assertThrows(() => findLock("987654"), Error, "descriptor 987654 is not open");
  assertThrows(() => findLock(String(elsewhere.number)), Error, "is not the pod directory");
});
