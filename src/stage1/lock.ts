/**
 * The lock by which rkt knows that a pod runs: a descriptor of the pod directory, which stage0 has
 * locked. It has to stay open until the last process of the pod has ended.
 *
 * @module
 */

import { Fd, isOpen } from "../linux/fd.ts";
import { statFd, statPath } from "../linux/stat.ts";
import { quoteText } from "../linux/text.ts";

/** The environment variable in which stage0 passes the descriptor's number. */
export const RKT_LOCK_FD = "RKT_LOCK_FD";

/**
 * Finds the lock that stage0 has left open.
 *
 * @param value The value of `RKT_LOCK_FD`.
 * @returns A descriptor of the pod directory. Do not close it.
 * @throws {Error} when it is not a descriptor of the working directory, which is the pod directory.
 */
export function findLock(value: string | undefined): Fd {
  if (!value) throw new Error(`${RKT_LOCK_FD}: not set: stage0 passes the pod's lock in it`);
  if (!/^[0-9]{1,9}$/.test(value)) {
    throw new Error(`${RKT_LOCK_FD}: ${quoteText(value)} is not a file descriptor`);
  }
  const number = Number(value);
  if (!isOpen(number)) throw new Error(`${RKT_LOCK_FD}: descriptor ${number} is not open`);
  if (statFd(number).identity !== statPath(".").identity) {
    throw new Error(`${RKT_LOCK_FD}: descriptor ${number} is not the pod directory`);
  }
  return new Fd(number);
}
