/**
 * Time that passes: the kernel's clock that only goes forward, and waiting.
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { syscall } from "./libc.ts";

const CLOCK_MONOTONIC = 1;

/**
 * The microseconds since the machine was started, suspension not counted: clock_gettime(2).
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

/** Waits, for a program that has nothing else to do meanwhile. */
export function waitMilliseconds(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
