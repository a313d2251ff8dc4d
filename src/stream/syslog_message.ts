/**
 * A message of syslog(3).
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";

/** The priority of a message that has none: `user.notice`, as RFC 3164 has it. */
const DEFAULT_PRIORITY = 13;

/** The priority, up to 191, and the time, as syslog(3) writes them: `<13>Nov 26 09:01:02 `. */
const HEAD = /^(?:<(\d{1,2}|1[0-8]\d|19[01])>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?/;
/** The most bytes of both. */
const HEAD_SIZE = 21;

/** Bytes at the end of a message that are no part of it: NUL, newline and space. */
const TRAILING = [0, 10, 32];

/** A message. */
export interface SyslogMessage {
  /** Facility and severity, as syslog(3) has them. */
  priority: number;
  /** The time of it, with a space behind; empty if the sender gave none. */
  time: Bytes;
  text: Bytes;
}

/**
 * Parses a message. Anything is one: a sender may write what it wants.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const bytes = (text: string) => new TextEncoder().encode(text);
 * assertEquals(parseMessage(bytes("<11>Nov 26 09:01:02 app[7]: no disk\n")), {
 *   priority: 11,
 *   time: bytes("Nov 26 09:01:02 "),
 *   text: bytes("app[7]: no disk"),
 * });
 * ```
 */
export function parseMessage(datagram: Bytes): SyslogMessage {
  // Each byte becomes one character, so that lengths are those of the bytes.
  const start = String.fromCharCode(...datagram.subarray(0, HEAD_SIZE));
  const [head = "", priority, time = ""] = HEAD.exec(start) ?? [];
  let end = datagram.length;
  while (end > head.length && TRAILING.includes(datagram[end - 1]!)) end--;
  return {
    priority: priority === undefined ? DEFAULT_PRIORITY : Number(priority),
    time: datagram.subarray(head.length - time.length, head.length),
    text: datagram.subarray(head.length, end),
  };
}
