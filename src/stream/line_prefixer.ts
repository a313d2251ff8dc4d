/**
 * The lines that an app writes, each behind a prefix which names the app.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";
import { formatLines } from "./format_lines.ts";
import { LineSplitter } from "./line_splitter.ts";

/**
 * Formats the prefix of a line, as systemd's journal prints lines on the console.
 *
 * @param microseconds The time since the machine was started.
 * @param pid The app's process, if it is known.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(linePrefix(61_000_205, "web", 7), "[   61.000205] web[7]");
 * ```
 */
export function linePrefix(microseconds: number, app: string, pid: number | undefined): string {
  const seconds = Math.floor(microseconds / 1_000_000);
  const rest = `${microseconds % 1_000_000}`.padStart(6, "0");
  const who = pid === undefined ? app : `${app}[${pid}]`;
  return `[${`${seconds}`.padStart(5)}.${rest}] ${who}`;
}

/**
 * Puts a prefix before each line of one stream. A line that is too long to be kept whole is passed
 * on in several, and those behind the first have a plus sign in the place of the colon: lines of
 * other apps may be between them, and no app makes others wait for the end of its line.
 */
export class LinePrefixer {
  readonly #splitter = new LineSplitter();

  /**
   * Takes bytes of the stream, and keeps back a last line that has no end yet.
   *
   * @param prefix The bytes that go before each line.
   * @returns Whole lines, those that are too long in pieces.
   */
  push(bytes: Bytes, prefix: Bytes): Bytes {
    const headOf = headsWith(prefix);
    return formatLines(2 * bytes.length, headOf, (take) => this.#splitter.push(bytes, take));
  }

  /**
   * Ends the stream.
   *
   * @param prefix The bytes that go before the line.
   * @returns The line that was kept back, ended; empty when there was none.
   */
  end(prefix: Bytes): Bytes {
    return formatLines(0, headsWith(prefix), (take) => this.#splitter.end(take));
  }
}

function headsWith(prefix: Bytes): (isContinued: boolean) => Bytes {
  const behind = (separator: string) => concatenate([prefix, new TextEncoder().encode(separator)]);
  const ofLine = behind(": ");
  const ofRest = behind("+ ");
  return (isContinued) => isContinued ? ofRest : ofLine;
}
