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

/** Waits, and does nothing else meanwhile. */
export function waitMilliseconds(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
