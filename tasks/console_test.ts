import { assertEquals } from "@std/assert";
import { formatSize } from "./console.ts";

Deno.test("sizes are written for people", () => {
  assertEquals([formatSize(1234), formatSize(97_076_048)], ["1.2 kB", "97.1 MB"]);
});
