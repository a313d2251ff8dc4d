/**
 * Ending a process when its time is over: setitimer(2).
 *
 * @module
 */

import type { Call } from "./libc.ts";

const ITIMER_REAL = 0;

/**
 * Has the kernel send SIGALRM to a process after some seconds, and not to its children.
 */
export function recordTimer(seconds: number, call: Call): void {
  // struct itimerval: an interval of none, and the time; seconds and microseconds each.
  call("setitimer", ITIMER_REAL, [0, 0, seconds, 0], null);
}
