/**
 * Time: the kernel's clocks, and waiting.
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { syscall } from "./libc.ts";

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;

/**
 * Returns the microseconds since the machine started, without the time that it was suspended:
 * clock_gettime(2).
 *
 * @example
 * ```ts ignore
 * const before = monotonicMicroseconds();
 * assert(monotonicMicroseconds() >= before);
 * ```
 */
export function monotonicMicroseconds(): number {
  return Number(readClock(CLOCK_MONOTONIC) / 1000n);
}

/** Returns the milliseconds of the clock of {@linkcode monotonicMicroseconds}. */
export function monotonicMilliseconds(): number {
  return monotonicMicroseconds() / 1000;
}

/** Returns the nanoseconds since 1970, as far as this machine knows: clock_gettime(2). */
export function realtimeNanoseconds(): bigint {
  return readClock(CLOCK_REALTIME);
}

function readClock(clock: number): bigint {
  const time = new BigUint64Array(2);
  syscall("clock_gettime", clock, asBytes(time));
  return time[0]! * 1_000_000_000n + time[1]!;
}

/**
 * Returns the earliest of some times, of which each may be unknown.
 *
 * @returns `undefined` when none is known.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(earliest([undefined, 200, 100]), 100);
 * assertEquals(earliest([undefined]), undefined);
 * ```
 */
export function earliest(times: Iterable<number | undefined>): number | undefined {
  let first: number | undefined;
  for (const time of times) {
    if (first === undefined || (time !== undefined && time < first)) first = time;
  }
  return first;
}

/** Waits, and does nothing else meanwhile. */
export function waitMilliseconds(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
