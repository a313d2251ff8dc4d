/**
 * Lines that are put together to be written at once.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { NEWLINE, type TakeLine } from "./line_splitter.ts";

/**
 * Formats lines, each behind a head and with a newline at its end. They lie in one array that
 * grows, because short lines are many, and this program has an interpreter alone.
 *
 * @param size How many bytes are expected.
 * @param headOf Returns what is before a line.
 * @param split Calls what it is passed for each line.
 */
export function formatLines(
  size: number,
  headOf: (isContinued: boolean, isEnded: boolean) => Bytes,
  split: (take: TakeLine) => void,
): Bytes {
  let bytes = new Uint8Array(size);
  let at = 0;
  split((text, isContinued, isEnded) => {
    const head = headOf(isContinued, isEnded);
    const start = at + head.length;
    const end = start + text.length;
    if (end >= bytes.length) {
      const larger = new Uint8Array(2 * (end + 1));
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(head, at);
    bytes.set(text, start);
    bytes[end] = NEWLINE;
    at = end + 1;
  });
  return bytes.subarray(0, at);
}
