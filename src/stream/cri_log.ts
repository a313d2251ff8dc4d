/**
 * The log format of Kubernetes' container runtime interface: a line of the app is a line of the
 * log, behind its time, its stream and a tag.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import type { OutputStream } from "../plan/stdio.ts";
import { formatLines } from "./format_lines.ts";
import type { TakeLine } from "./line_splitter.ts";

const NANOSECONDS = 1_000_000_000n;

/** The bytes of as many lines as mostly come at once. */
const USUAL_SIZE = 4096;

/**
 * Formats lines of one stream. A piece of a line, or a line that the end of the stream has ended,
 * has the tag `P`, any other one `F`: so whoever reads the log can tell what the app has written.
 *
 * @param time When they were read, in nanoseconds since 1970.
 * @param split Calls what it is passed for each line.
 */
export function criRecords(
  stream: OutputStream,
  time: bigint,
  split: (take: TakeLine) => void,
): Bytes {
  const head = (tag: string) => new TextEncoder().encode(`${criTime(time)} ${stream} ${tag} `);
  const full = head("F");
  const partial = head("P");
  return formatLines(USUAL_SIZE, (_isContinued, isEnded) => isEnded ? full : partial, split);
}

/**
 * Formats a time as RFC 3339 has it, in UTC and with nine digits, so that times sort as texts do.
 *
 * @param time In nanoseconds since 1970.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(criTime(1_000_000_007n), "1970-01-01T00:00:01.000000007Z");
 * ```
 */
export function criTime(time: bigint): string {
  const seconds = new Date(Number(time / NANOSECONDS) * 1000).toISOString().slice(0, -5);
  return `${seconds}.${`${time % NANOSECONDS}`.padStart(9, "0")}Z`;
}
