/**
 * The lock by which rkt knows that a pod runs: an open descriptor of the pod directory, locked by
 * stage0, which has to stay open for as long as any of the pod lives.
 *
 * @module
 */

import { Fd, isOpen } from "../linux/fd.ts";
import { statFd, statPath } from "../linux/stat.ts";

/** The environment variable in which stage0 passes the descriptor's number. */
export const RKT_LOCK_FD = "RKT_LOCK_FD";

/**
 * Finds the lock that stage0 left open.
 *
 * @param value The value of `RKT_LOCK_FD`.
 * @returns A descriptor of the pod directory. It is not for closing.
 * @throws {Error} when it is not a descriptor of the working directory, which is the pod's.
 */
export function findLock(value: string | undefined): Fd {
  if (!value) throw new Error(`${RKT_LOCK_FD}: not set: stage0 passes the pod's lock in it`);
  if (!/^[0-9]{1,9}$/.test(value)) {
    throw new Error(`${RKT_LOCK_FD}: ${JSON.stringify(value)} is not a file descriptor`);
  }
  const number = Number(value);
  if (!isOpen(number)) throw new Error(`${RKT_LOCK_FD}: descriptor ${number} is not open`);
  if (statFd(number).identity !== statPath(".").identity) {
    throw new Error(`${RKT_LOCK_FD}: descriptor ${number} is not the pod directory`);
  }
  return new Fd(number);
}
