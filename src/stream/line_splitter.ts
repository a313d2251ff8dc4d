/**
 * The lines of a stream, as far as they have arrived.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";

/** The byte that ends a line. */
export const NEWLINE = 10;

/** The longest line that is kept whole, in bytes: where systemd's journal cuts by default. */
export const LINE_LIMIT = 48 * 1024;

/** Characters have at most four bytes in UTF-8: three that may be on the wrong side of a cut. */
const MOST_CONTINUATION_BYTES = 3;

/** A line without its newline, or a piece of a line that is too long to be kept whole. */
export interface Line {
  text: Bytes;
  /** Whether it goes on with a line whose beginning is in pieces before. */
  isContinued: boolean;
  /** Whether a newline has ended it. If not, the next piece goes on with it, if one comes. */
  isEnded: boolean;
}

/** Made once: a new one for each line would be half of the work. */
const NOTHING: Bytes = new Uint8Array(0);

/** Splits one stream into lines. Bytes that are not UTF-8 pass unchanged. */
export class LineSplitter {
  /** The beginning of a line whose end has not arrived yet, or what is left of it. */
  #partial: Bytes = NOTHING;
  /** Whether pieces of that line have been passed on. */
  #isContinued = false;

  /**
   * Takes bytes of the stream, and keeps back a last line that has no end yet.
   *
   * @returns The lines that have ended, and the pieces of those that are too long.
   */
  push(bytes: Bytes): Line[] {
    const lines: Line[] = [];
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      this.#endLine(bytes.subarray(start, end), lines);
      start = end + 1;
    }
    const rest = bytes.subarray(start);
    // The caller may use its bytes again.
    if (rest.length > 0) this.#partial = this.#cut(concatenate([this.#partial, rest]), lines);
    return lines;
  }

  /**
   * Ends the stream.
   *
   * @returns The line that was kept back; none if the stream has ended with a newline.
   */
  end(): Line[] {
    if (this.#partial.length === 0) return [];
    const line = { text: this.#partial, isContinued: this.#isContinued, isEnded: false };
    this.#partial = NOTHING;
    return [line];
  }

  #endLine(end: Bytes, lines: Line[]): void {
    const whole = this.#partial.length === 0 ? end : concatenate([this.#partial, end]);
    const text = this.#cut(whole, lines);
    lines.push({ text, isContinued: this.#isContinued, isEnded: true });
    this.#partial = NOTHING;
    this.#isContinued = false;
  }

  /** Adds the pieces that a line is too long by, and returns what is left of it. */
  #cut(line: Bytes, lines: Line[]): Bytes {
    let rest = line;
    while (rest.length > LINE_LIMIT) {
      const length = lengthOfPiece(rest, LINE_LIMIT);
      lines.push({
        text: rest.subarray(0, length),
        isContinued: this.#isContinued,
        isEnded: false,
      });
      this.#isContinued = true;
      rest = rest.subarray(length);
    }
    return rest;
  }
}

/**
 * Returns where to cut a line that is longer than the limit: before a character that would be cut,
 * if it is UTF-8.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const bytes = new TextEncoder().encode("aé!");
 * assertEquals(lengthOfPiece(bytes, 2), 1);
 * assertEquals(lengthOfPiece(bytes, 3), 3);
 * ```
 */
export function lengthOfPiece(line: Bytes, limit: number): number {
  for (let length = limit; length > limit - 1 - MOST_CONTINUATION_BYTES; length--) {
    if (!isContinuation(line[length]!)) return Math.max(length, 1);
  }
  return limit;
}

/** UTF-8: a byte that is not the first one of its character begins with the bits 10. */
function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/**
 * Writes lines, each behind a head of its own and with a newline at its end; in a single array,
 * because short lines are many.
 */
export function formatLines(lines: readonly Line[], headOf: (line: Line) => Bytes): Bytes {
  let size = 0;
  for (const line of lines) size += headOf(line).length + line.text.length + 1;
  const all = new Uint8Array(size);
  let at = 0;
  for (const line of lines) {
    const head = headOf(line);
    all.set(head, at);
    all.set(line.text, at + head.length);
    at += head.length + line.text.length + 1;
    all[at - 1] = NEWLINE;
  }
  return all;
}
