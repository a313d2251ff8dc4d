/**
 * Which processes belong to a pod: those whose root directory is that of one of its apps, and `run` where it stays.
 *
 * The kernel vouches for that; a number in a file does not, since numbers are used again.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import { type Fd, statPath } from "../linux/file.ts";
import {
  listProcesses,
  openProcess,
  parentOf,
  rootIdentity,
  SIGKILL,
  signalProcess,
} from "../linux/process.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { Trace } from "./trace.ts";

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
  return hold(pid, () => isMember(pid, rootfs));
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
 * Kills all processes of an app, also those that others start before it is their turn.
 *
 * @throws {SyscallError}
 */
export function killMembersOf(rootfs: string, trace: Trace): void {
  const killed = new Set<number>();
  for (;;) {
    // Who is killed may still be there for a while, but starts nothing any more.
    const members = findMembers(rootfs).filter(({ pid }) => !killed.has(pid));
    if (members.length === 0) return;
    for (const { pid, process } of members) {
      trace(`kill ${pid}`);
      signalProcess(process, SIGKILL);
      process[Symbol.dispose]();
      killed.add(pid);
    }
  }
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

/**
 * The first process of a pod whose apps are supervised.
 *
 * @param pid What `run` left in the `pid` file: the pod's pid 1, which is its child, or itself.
 * @returns `undefined` when that process is not this pod's, or gone.
 * @throws {SyscallError}
 */
export function findFirstProcess(pid: number): Member | undefined {
  return hold(pid, () => supervisorOf(pid) !== undefined);
}

/**
 * The `run` that stays with a pod whose apps are supervised.
 *
 * It is told by its program, which is the one in this pod, and by its working directory, which is the pod's.
 *
 * @param pid As for {@linkcode findFirstProcess}.
 * @returns `undefined` when that process is not this pod's, or gone.
 * @throws {SyscallError}
 */
export function findSupervisor(pid: number): Member | undefined {
  const supervisor = supervisorOf(pid);
  return supervisor === undefined ? undefined : hold(supervisor, () => isSupervisor(supervisor));
}

/** Its number alone, at this moment. */
export function supervisorOf(pid: number): number | undefined {
  return [pid, parentOf(pid)].find((each) => each !== undefined && isSupervisor(each));
}

/**
 * Held first and looked at then: if the number changed hands in between, the one that we hold is dead and signals
 * to it go nowhere.
 */
function hold(pid: number, isOfPod: () => boolean): Member | undefined {
  const process = openProcess(pid);
  if (process === undefined) return undefined;
  if (isOfPod()) return { pid, process };
  process[Symbol.dispose]();
  return undefined;
}

function isSupervisor(pid: number): boolean {
  const pairs = [[`/proc/${pid}/cwd`, "."], [`/proc/${pid}/exe`, POD_PATHS.run]] as const;
  return pairs.every(([ofProcess, ofPod]) => {
    const identity = identityOf(ofProcess);
    return identity !== undefined && identity === identityOf(ofPod);
  });
}

function identityOf(path: string): string | undefined {
  try {
    return statPath(path).identity;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR", "ESRCH", "EACCES")) return undefined;
    throw error;
  }
}
