/**
 * The log formats of Kubernetes: a line of the app is a line of the log, behind its time and its
 * stream. That of the container runtime interface has a tag behind these.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import type { LogFormat } from "../plan/log.ts";
import type { OutputStream } from "../plan/stdio.ts";
import { formatLines } from "./format_lines.ts";
import type { TakeLine } from "./line_splitter.ts";

const NANOSECONDS = 1_000_000_000n;

/** The bytes of as many lines as mostly come at once. */
const USUAL_SIZE = 4096;

/** What is in a file of a log: `k8s-plain` is as `cri`, but without tags. */
export type LineFormat = LogFormat | "k8s-plain";

/**
 * Formats lines of one stream.
 *
 * With `cri`, a piece of a line, or a line that the end of the stream has ended, has the tag `P`,
 * any other one `F`: so whoever reads the log can tell what the app has written. With `k8s-plain`,
 * each of these is a line like any other one.
 *
 * @param time When they were read, in nanoseconds since 1970.
 * @param split Calls what it is passed for each line.
 */
export function lineRecords(
  format: Exclude<LineFormat, "raw">,
  stream: OutputStream,
  time: bigint,
  split: (take: TakeLine) => void,
): Bytes {
  const head = (tag: string) => new TextEncoder().encode(`${rfc3339(time)} ${stream} ${tag}`);
  const full = head(format === "cri" ? "F " : "");
  const partial = format === "cri" ? head("P ") : full;
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
 * assertEquals(rfc3339(1_000_000_007n), "1970-01-01T00:00:01.000000007Z");
 * ```
 */
export function rfc3339(time: bigint): string {
  const seconds = new Date(Number(time / NANOSECONDS) * 1000).toISOString().slice(0, -5);
  return `${seconds}.${`${time % NANOSECONDS}`.padStart(9, "0")}Z`;
}
