import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { isOpen } from "./fd.ts";
import { O_PATH, openFile } from "./open.ts";

Deno.test("a descriptor is closed at the end of its scope", () => {
  let number: number;
  {
    using fd = openFile("/", O_PATH);
    number = fd.number;
    assertEquals(isOpen(number), true);
  }
  assertEquals(isOpen(number), false);
});
