import "../linux/libc_testing.ts";
import { assertEquals } from "@std/assert";
import { listAppRoots } from "./app_roots.ts";

Deno.test("listAppRoots() is empty where there is no pod", () => {
  assertEquals(listAppRoots(), []);
});
