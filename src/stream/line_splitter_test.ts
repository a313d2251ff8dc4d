import { assertEquals } from "@std/assert";
import { type Bytes, concatenate } from "../linux/bytes.ts";
import { type Line, LINE_LIMIT, LineSplitter } from "./line_splitter.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

/** Each line as text, with what is before and behind it. */
function describe(lines: Line[]): string[] {
  return lines.map((line) =>
    `${line.isContinued ? "+" : ":"}${text(line.text)}${line.isEnded ? "$" : ""}`
  );
}

Deno.test("a line has come when its newline has", () => {
  const splitter = new LineSplitter();
  assertEquals(describe(splitter.push(bytes("on"))), []);
  assertEquals(describe(splitter.push(bytes("e\n\ntwo\nthr"))), [":one$", ":$", ":two$"]);
  assertEquals(describe(splitter.end()), [":thr"]);
  assertEquals(splitter.end(), []);
});

Deno.test("a line of the most bytes is whole, whenever its newline comes", () => {
  const long = "x".repeat(LINE_LIMIT);
  const splitter = new LineSplitter();
  assertEquals(describe(splitter.push(bytes(`${long}\n${long}`))), [`:${long}$`]);
  assertEquals(describe(splitter.push(bytes("\n"))), [`:${long}$`]);
});

Deno.test("of a longer line no piece is too long, and together they are the line", () => {
  const line = bytes("é".repeat(LINE_LIMIT) + "!");
  for (const size of [1000, LINE_LIMIT, line.length]) {
    const splitter = new LineSplitter();
    const pieces: Line[] = [];
    for (let at = 0; at < line.length; at += size) {
      pieces.push(...splitter.push(line.subarray(at, at + size)));
    }
    pieces.push(...splitter.push(bytes("\nnext\n")));
    assertEquals(describe(pieces.splice(-1)), [":next$"]);
    assertEquals(concatenate(pieces.map((piece) => piece.text)), line);
    assertEquals(pieces.map((piece) => piece.isContinued), pieces.map((_, i) => i > 0));
    assertEquals(pieces.map((piece) => piece.isEnded), pieces.map((_, i) => i === 2));
    // Each is text by itself, because no character is cut.
    for (const piece of pieces) assertEquals(text(piece.text).length > 0, true);
  }
});

Deno.test("bytes that are no text are cut at the limit", () => {
  const splitter = new LineSplitter();
  const [piece] = splitter.push(new Uint8Array(LINE_LIMIT + 1).fill(0x80));
  assertEquals(piece!.text.length, LINE_LIMIT);
});

Deno.test("what is kept back is a copy: whoever passed the bytes may use them again", () => {
  const splitter = new LineSplitter();
  const shared = bytes("one");
  splitter.push(shared);
  shared.fill(0);
  assertEquals(describe(splitter.push(bytes("\n"))), [":one$"]);
});
