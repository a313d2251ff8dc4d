/**
 * Which processes belong to a pod: those whose root directory is that of one of its apps.
 *
 * The kernel vouches for that; a number in a file does not, since numbers are used again.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import { type Fd, statPath } from "../linux/file.ts";
import { listProcesses, openProcess, rootIdentity } from "../linux/process.ts";

/** A process of the pod, held so that its number cannot come to mean another. */
export interface Member {
  pid: number;
  process: Fd;
}

/**
 * Looks at one process.
 *
 * @param rootfs The root file system of an app, relative to the pod directory.
 * @returns `undefined` when it is not the pod's, or gone.
 * @throws {SyscallError}
 */
export function findMember(pid: number, rootfs: string): Member | undefined {
  const process = openProcess(pid);
  if (process === undefined) return undefined;
  // Held first and looked at then: if the number changed hands in between, the one that we hold is dead
  // and signals to it go nowhere.
  if (isMember(pid, rootfs)) return { pid, process };
  process[Symbol.dispose]();
  return undefined;
}

/**
 * All processes of the pod.
 *
 * @throws {SyscallError}
 */
export function findMembers(rootfs: string): Member[] {
  return listProcesses()
    .map((pid) => findMember(pid, rootfs))
    .filter((member) => member !== undefined);
}

/**
 * Whether a process has an app's root for its own, at this moment.
 *
 * @throws {SyscallError}
 */
export function isMember(pid: number, rootfs: string): boolean {
  const root = identityOf(rootfs);
  return root !== undefined && rootIdentity(pid) === root;
}

function identityOf(path: string): string | undefined {
  try {
    return statPath(path).identity;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
