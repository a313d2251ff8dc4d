/**
 * Processes that are held by a descriptor, so that their numbers cannot come to mean others.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { openProcess } from "../linux/pidfd.ts";
import { identityAt } from "../linux/stat.ts";

/** A process of the pod, held so that its number cannot come to mean another. */
export interface HeldProcess {
  pid: number;
  process: Fd;
}

/**
 * Holds a process of the pod.
 *
 * It is held first and looked at then: if the number changed hands in between, the process that is
 * held is dead, and signals to it go nowhere.
 *
 * @param isOfPod Tells whether the process that has the number now is the pod's.
 * @returns `undefined` when it is not, or gone.
 * @throws {SyscallError} when the process cannot be looked at.
 */
export function holdProcess(pid: number, isOfPod: () => boolean): HeldProcess | undefined {
  const process = openProcess(pid);
  if (process === undefined) return undefined;
  if (isOfPod()) return { pid, process };
  process[Symbol.dispose]();
  return undefined;
}

/**
 * Returns which file a path of the pod directory leads to, in the form of {@linkcode
 * FileStatus.identity}.
 *
 * @returns `undefined` when there is none.
 * @throws {SyscallError} when the kernel refuses for another reason.
 */
export function identityIfThere(path: string): string | undefined {
  try {
    return identityAt(path);
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
