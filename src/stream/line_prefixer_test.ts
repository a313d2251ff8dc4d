import { assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { linePrefix, LinePrefixer } from "./line_prefixer.ts";
import { LINE_LIMIT } from "./line_splitter.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);
const PREFIX = bytes(">");

Deno.test("a prefix has the time, the app, and its process if that is known", () => {
  assertEquals(linePrefix(1_234_567_000_001, "web", 12), "[1234567.000001] web[12]");
  assertEquals(linePrefix(999, "web", undefined), "[    0.000999] web");
});

Deno.test("each line has the prefix, the empty one too", () => {
  const prefixer = new LinePrefixer();
  assertEquals(text(prefixer.push(bytes("one\n\ntwo\n"), PREFIX)), ">: one\n>: \n>: two\n");
  assertEquals(prefixer.end(PREFIX).length, 0);
});

Deno.test("a line that comes in pieces is passed on when it is whole", () => {
  const prefixer = new LinePrefixer();
  assertEquals(text(prefixer.push(bytes("on"), PREFIX)), "");
  assertEquals(text(prefixer.push(bytes("e, wh"), PREFIX)), "");
  assertEquals(text(prefixer.push(bytes("ole\ntw"), PREFIX)), ">: one, whole\n");
  assertEquals(text(prefixer.end(PREFIX)), ">: tw\n");
  assertEquals(prefixer.end(PREFIX).length, 0);
});

Deno.test("bytes that are no text stay as they are", () => {
  const prefixer = new LinePrefixer();
  const line = Uint8Array.of(0, 0xff, 0xc3, 0x0d, 0x80, 10);
  assertEquals(prefixer.push(line, PREFIX), Uint8Array.of(...PREFIX, ...bytes(": "), ...line));
});

Deno.test("a line that is too long is in several, and those behind the first say so", () => {
  const prefixer = new LinePrefixer();
  const long = "x".repeat(LINE_LIMIT);
  assertEquals(text(prefixer.push(bytes(`${long}${long}y`), PREFIX)), `>: ${long}\n>+ ${long}\n`);
  assertEquals(text(prefixer.push(bytes("\nnext\n"), PREFIX)), ">+ y\n>: next\n");
});
