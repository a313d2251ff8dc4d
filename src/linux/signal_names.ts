/**
 * The names of signals: signal(7).
 *
 * @module
 */

import { SIGRTMAX, SIGRTMIN } from "./signal_numbers.ts";

/** By number, from 1 on. x86-64 and arm64 have the same. */
const NAMES =
  ("HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD " +
    "CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS").split(" ");

/** Further names of some. */
const ALIASES: Readonly<Record<string, string>> = { IOT: "ABRT", CLD: "CHLD", POLL: "IO" };

/** A real-time signal, named from either end. */
const REAL_TIME = /^RTM(?:IN(?:\+([1-9][0-9]?))?|AX(?:-([1-9][0-9]?))?)$/;

/**
 * Returns the number of a signal, which is given as a number, or by its name with or without `SIG`
 * in letters of any case. Real-time signals have names such as `SIGRTMIN+3` and `RTMAX-1`.
 *
 * @returns `undefined` when there is no such signal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(["SIGQUIT", "quit", "3", "SIGRTMIN+3"].map(signalNumber), [3, 3, 3, 37]);
 * assertEquals(["", "0", "65", "SIG", "SIGRTMIN+31"].map(signalNumber), Array(5).fill(undefined));
 * ```
 */
export function signalNumber(text: string): number | undefined {
  if (/^[1-9][0-9]?$/.test(text)) return Number(text) <= SIGRTMAX ? Number(text) : undefined;
  const name = text.toUpperCase().replace(/^SIG/, "");
  const realTime = REAL_TIME.exec(name);
  if (realTime) return numberOfRealTime(name, realTime);
  const at = NAMES.indexOf(ALIASES[name] ?? name);
  return at === -1 ? undefined : at + 1;
}

/**
 * Returns a signal's name, `SIGQUIT`; that of a real-time signal, `SIGRTMIN+3`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([3, 33, 37].map(signalName), ["SIGQUIT", "signal 33", "SIGRTMIN+3"]);
 * ```
 */
export function signalName(number: number): string {
  const name = NAMES[number - 1];
  if (name !== undefined) return `SIG${name}`;
  if (number < SIGRTMIN) return `signal ${number}`;
  return number === SIGRTMIN ? "SIGRTMIN" : `SIGRTMIN+${number - SIGRTMIN}`;
}

function numberOfRealTime(name: string, [, above, below]: RegExpExecArray): number | undefined {
  const number = name.startsWith("RTMIN")
    ? SIGRTMIN + Number(above ?? 0)
    : SIGRTMAX - Number(below ?? 0);
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}
