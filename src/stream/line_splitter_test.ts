import { assertEquals } from "@std/assert";
import { type Bytes, concatenate } from "../linux/bytes.ts";
import { LINE_LIMIT, LineSplitter, type TakeLine } from "./line_splitter.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes) => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

/** A line, as it is passed on. */
interface Line {
  text: Bytes;
  isContinued: boolean;
  isEnded: boolean;
}

/** Lists the lines that are passed on. */
function linesFrom(split: (take: TakeLine) => void): Line[] {
  const lines: Line[] = [];
  split((text, isContinued, isEnded) => lines.push({ text, isContinued, isEnded }));
  return lines;
}

function push(splitter: LineSplitter, bytes: Bytes): Line[] {
  return linesFrom((take) => splitter.push(bytes, take));
}

function end(splitter: LineSplitter): Line[] {
  return linesFrom((take) => splitter.end(take));
}

/** Describes lines as texts, with what is before and behind each. */
function describe(lines: Line[]): string[] {
  return lines.map((line) =>
    `${line.isContinued ? "+" : ":"}${text(line.text)}${line.isEnded ? "$" : ""}`
  );
}

Deno.test("a line has come when its newline has", () => {
  const splitter = new LineSplitter();
  assertEquals(describe(push(splitter, bytes("on"))), []);
  assertEquals(describe(push(splitter, bytes("e\n\ntwo\nthr"))), [":one$", ":$", ":two$"]);
  assertEquals(describe(end(splitter)), [":thr"]);
  assertEquals(end(splitter), []);
});

Deno.test("a line of the most bytes is whole, whenever its newline comes", () => {
  const long = "x".repeat(LINE_LIMIT);
  const splitter = new LineSplitter();
  assertEquals(describe(push(splitter, bytes(`${long}\n${long}`))), [`:${long}$`]);
  assertEquals(describe(push(splitter, bytes("\n"))), [`:${long}$`]);
});

Deno.test("of a longer line no piece is too long, and together they are the line", () => {
  const line = bytes("é".repeat(LINE_LIMIT) + "!");
  for (const size of [1000, LINE_LIMIT, line.length]) {
    const splitter = new LineSplitter();
    const pieces: Line[] = [];
    for (let at = 0; at < line.length; at += size) {
      pieces.push(...push(splitter, line.subarray(at, at + size)));
    }
    pieces.push(...push(splitter, bytes("\nnext\n")));
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
  const [piece] = push(splitter, new Uint8Array(LINE_LIMIT + 1).fill(0x80));
  assertEquals(piece!.text.length, LINE_LIMIT);
});

Deno.test("what is kept back is a copy: whoever passed the bytes may use them again", () => {
  const splitter = new LineSplitter();
  const shared = bytes("one");
  push(splitter, shared);
  shared.fill(0);
  assertEquals(describe(push(splitter, bytes("\n"))), [":one$"]);
});
