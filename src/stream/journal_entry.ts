/**
 * An entry of systemd's journal, as its native protocol has it:
 * https://systemd.io/JOURNAL_NATIVE_PROTOCOL/.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";
import type { OutputStream } from "../plan/stdio.ts";

/** Where an app writes what is logged: one of its streams, or /dev/log. */
export type LogSource = OutputStream | "syslog";

/** Whose lines they are. */
export interface JournalSource {
  pod: string;
  app: string;
}

/** Facility and severity, as syslog(3) has them: eight times the one and the other. */
const SEVERITIES = 8;

/**
 * The priorities that other container runtimes give to the streams: of facility `user`, with the
 * severities `info` and `err`.
 */
export const STREAM_PRIORITIES: Readonly<Record<OutputStream, number>> = { stdout: 14, stderr: 11 };

/**
 * Returns the priority by which the host's journal gets a message of an app's.
 *
 * The journal writes those of severity `emerg` to every terminal of the host, as they are, and
 * takes from no program that it is the kernel. They become `alert`, and of facility `user`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([0, 8, 80, 7, 86].map(priorityOfApp), [9, 9, 81, 15, 86]);
 * ```
 */
export function priorityOfApp(priority: number): number {
  const facility = Math.floor(priority / SEVERITIES);
  return Math.max(facility, 1) * SEVERITIES + Math.max(priority % SEVERITIES, 1);
}

/** How much of a UUID `rkt list` shows. */
const SHORT_UUID = 8;

/**
 * Lists the fields of entries. The `CONTAINER_` ones are those by which entries of
 * other container runtimes are looked for; the pod is the container, except for its name.
 *
 * @param priority Facility and severity in one, as syslog(3) has them.
 */
export function fieldsOf(
  { pod, app }: JournalSource,
  source: LogSource,
  priority: number,
): Record<string, string> {
  return {
    PRIORITY: `${priority % SEVERITIES}`,
    SYSLOG_FACILITY: `${Math.floor(priority / SEVERITIES)}`,
    SYSLOG_IDENTIFIER: app,
    CONTAINER_ID: pod.slice(0, SHORT_UUID),
    CONTAINER_ID_FULL: pod,
    CONTAINER_NAME: app,
    CONTAINER_STREAM: source,
  };
}

/** The field that a line which goes on in the next entry has. */
export const PARTIAL = { CONTAINER_PARTIAL_MESSAGE: "true" };

/**
 * Formats fields whose values have no newline.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(formatFields({ A: "1", B: "2" }), new TextEncoder().encode("A=1\nB=2\n"));
 * ```
 */
export function formatFields(fields: Readonly<Record<string, string>>): Bytes {
  const lines = Object.entries(fields).map(([name, value]) => `${name}=${value}\n`);
  return new TextEncoder().encode(lines.join(""));
}

/**
 * Formats an entry. The message has its length before it, because it may hold any bytes.
 *
 * @param fields The other fields, as {@linkcode formatFields} returns them.
 */
export function formatEntry(fields: Bytes, message: Bytes): Bytes {
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(message.length), true);
  return concatenate([fields, MESSAGE, length, message, NEWLINE]);
}

const MESSAGE: Bytes = new TextEncoder().encode("MESSAGE\n");
const NEWLINE: Bytes = new TextEncoder().encode("\n");
