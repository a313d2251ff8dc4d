import { assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { formatLines } from "./format_lines.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

Deno.test("lines lie one behind the other, however many were expected", () => {
  const headOf = (isContinued: boolean) => bytes(isContinued ? "+ " : "> ");
  for (const size of [0, 1, 5, 6, 7, 100]) {
    const formatted = formatLines(size, headOf, (take) => {
      take(bytes("one"), false, false);
      take(bytes(""), true, true);
      take(bytes("three"), false, true);
    });
    assertEquals(formatted, bytes("> one\n+ \n> three\n"));
  }
});

Deno.test("no lines are no bytes", () => {
  assertEquals(formatLines(10, () => bytes(">"), () => {}).length, 0);
});
