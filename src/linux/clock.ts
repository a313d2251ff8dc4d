/**
 * Time: the kernel's clock that only goes forward, and waiting.
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { syscall } from "./libc.ts";

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
  const time = new BigUint64Array(2);
  syscall("clock_gettime", CLOCK_MONOTONIC, asBytes(time));
  return Number(time[0]! * 1_000_000n + time[1]! / 1000n);
}

/** Waits, and does nothing else meanwhile. */
export function waitMilliseconds(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
