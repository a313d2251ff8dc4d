import { assertEquals } from "@std/assert";
import { EscapeKeys } from "./escape_keys.ts";

const ONE = Uint8Array.of(0x1d);
const OTHER = new TextEncoder().encode("x");

Deno.test("keys in between do not count as the way out", () => {
  const keys = new EscapeKeys();
  assertEquals([ONE, ONE, OTHER, ONE].map((typed) => keys.push(typed, 0)), [
    false,
    false,
    false,
    false,
  ]);
  assertEquals([ONE, ONE].map((typed) => keys.push(typed, 0)), [false, true]);
});

Deno.test("keys that are pressed slowly are not the way out", () => {
  const keys = new EscapeKeys();
  assertEquals([0, 600_000, 1_200_000].map((now) => keys.push(ONE, now)), [false, false, false]);
  assertEquals([1_300_000, 1_400_000].map((now) => keys.push(ONE, now)), [false, true]);
});
