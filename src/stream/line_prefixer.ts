/**
 * The lines that an app writes, each behind a prefix which names the app.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";

/** The byte that ends a line. */
export const NEWLINE = 10;

/** The longest line that is kept whole, in bytes: where systemd's journal cuts by default. */
export const LINE_LIMIT = 48 * 1024;

/**
 * Formats the prefix of a line, as systemd's journal prints lines on the console.
 *
 * @param microseconds The time since the machine was started.
 * @param pid The app's process, if it is known.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(linePrefix(61_000_205, "web", 7), "[   61.000205] web[7]: ");
 * ```
 */
export function linePrefix(microseconds: number, app: string, pid: number | undefined): string {
  const seconds = Math.floor(microseconds / 1_000_000);
  const rest = `${microseconds % 1_000_000}`.padStart(6, "0");
  const who = pid === undefined ? app : `${app}[${pid}]`;
  return `[${`${seconds}`.padStart(5)}.${rest}] ${who}: `;
}

/** Puts a prefix before each line of one stream. Bytes that are not UTF-8 pass unchanged. */
export class LinePrefixer {
  /** The beginning of a line whose end has not arrived yet. */
  #partial: Bytes = new Uint8Array(0);

  /**
   * Takes bytes of the stream, and keeps back a last line that has no end yet.
   *
   * @param prefix The bytes that go before each line.
   * @returns Whole lines, those that are too long cut.
   */
  push(bytes: Bytes, prefix: Bytes): Bytes {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end === 0) return this.#keep(bytes, prefix);
    const lines = concatenate([this.#partial, bytes.subarray(0, end)]);
    this.#partial = new Uint8Array(0);
    return concatenate([withPrefixes(lines, prefix), this.#keep(bytes.subarray(end), prefix)]);
  }

  /**
   * Ends the stream.
   *
   * @param prefix The bytes that go before the line.
   * @returns The line that was kept back, ended; empty when there was none.
   */
  end(prefix: Bytes): Bytes {
    if (this.#partial.length === 0) return this.#partial;
    const line = concatenate([prefix, this.#partial, Uint8Array.of(NEWLINE)]);
    this.#partial = new Uint8Array(0);
    return line;
  }

  /** Adds to the line that is kept back, and returns the pieces that it is too long by. */
  #keep(bytes: Bytes, prefix: Bytes): Bytes {
    const cut: Bytes[] = [];
    this.#partial = concatenate([this.#partial, bytes]);
    while (this.#partial.length >= LINE_LIMIT) {
      cut.push(prefix, this.#partial.subarray(0, LINE_LIMIT), Uint8Array.of(NEWLINE));
      this.#partial = this.#partial.slice(LINE_LIMIT);
    }
    return concatenate(cut);
  }
}

/** Puts the prefix before whole lines; in a single array, because short lines are many. */
function withPrefixes(lines: Bytes, prefix: Bytes): Bytes {
  const ends = newlines(lines);
  const all = new Uint8Array(lines.length + ends.length * prefix.length);
  let at = 0;
  let start = 0;
  for (const end of ends) {
    all.set(prefix, at);
    all.set(lines.subarray(start, end + 1), at + prefix.length);
    at += prefix.length + end + 1 - start;
    start = end + 1;
  }
  return all;
}

function newlines(bytes: Bytes): number[] {
  const found: number[] = [];
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
    found.push(at);
  }
  return found;
}
