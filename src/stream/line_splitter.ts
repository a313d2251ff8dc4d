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

/**
 * Called with a line without its newline, or with a piece of one that is too long to be kept whole.
 *
 * The bytes are there as long as the call lasts. A call for each line, without a list of them, is
 * what takes the least time in an interpreter.
 *
 * @param isContinued Whether it goes on with a line whose beginning is in pieces before.
 * @param isEnded Whether a newline has ended it. If not, the next piece goes on with it, if one
 * comes.
 */
export type TakeLine = (text: Bytes, isContinued: boolean, isEnded: boolean) => void;

const NOTHING: Bytes = new Uint8Array(0);

/** Splits one stream into lines. Bytes that are not UTF-8 pass unchanged. */
export class LineSplitter {
  /** The beginning of a line whose end has not arrived yet, or what is left of it. */
  #partial = NOTHING;
  /** Whether pieces of that line have been passed on. */
  #isContinued = false;

  /**
   * Takes bytes of the stream, and keeps back a last line that has no end yet.
   *
   * @param take Called with the lines that have ended, and the pieces of those that are too long.
   */
  push(bytes: Bytes, take: TakeLine): void {
    let start = 0;
    let end = bytes.indexOf(NEWLINE);
    if (end >= 0 && this.#partial !== NOTHING) {
      this.#endLine(bytes.subarray(0, end), take);
      start = end + 1;
      end = bytes.indexOf(NEWLINE, start);
    }
    for (; end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      if (end - start <= LINE_LIMIT) take(bytes.subarray(start, end), false, true);
      else this.#endLine(bytes.subarray(start, end), take);
      start = end + 1;
    }
    if (start === bytes.length) return;
    // A copy, because the caller may use its bytes again.
    this.#partial = this.#cut(concatenate([this.#partial, bytes.subarray(start)]), take);
  }

  /**
   * Ends the stream.
   *
   * @param take Called with the line that was kept back, unless the stream has ended with a
   * newline.
   */
  end(take: TakeLine): void {
    if (this.#partial !== NOTHING) take(this.#partial, this.#isContinued, false);
    this.#partial = NOTHING;
  }

  #endLine(end: Bytes, take: TakeLine): void {
    const rest = this.#cut(concatenate([this.#partial, end]), take);
    take(rest, this.#isContinued, true);
    this.#partial = NOTHING;
    this.#isContinued = false;
  }

  /** Passes on the pieces that a line is too long by, and returns what is left of it. */
  #cut(line: Bytes, take: TakeLine): Bytes {
    let rest = line;
    while (rest.length > LINE_LIMIT) {
      const length = lengthOfPiece(rest, LINE_LIMIT);
      take(rest.subarray(0, length), this.#isContinued, false);
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
