/**
 * Processes as /proc shows them: proc(5).
 *
 * @module
 */

import { listDirectory, listIfThere } from "./directory.ts";
import { failedWith } from "./errno.ts";
import { readKernelFile } from "./read_write.ts";
import { identityAt } from "./stat.ts";

/** The ids of all processes that /proc shows. */
export function listProcesses(): number[] {
  return listDirectory("/proc").filter((name) => /^[0-9]+$/.test(name)).map(Number);
}

/**
 * Looks at a process by what /proc has of its first thread, or where that has ended, of another one: a process lives as
 * long as any of them.
 *
 * @param look Gets a directory such as `/proc/7` or `/proc/7/task/9`.
 * @returns `undefined` when the process is gone, or a kernel thread, or a zombie.
 * @throws {SyscallError}
 */
export function throughThread<T>(pid: number, look: (directory: string) => T): T | undefined {
  for (const directory of threadsOf(pid)) {
    try {
      return look(directory);
    } catch (error) {
      if (!failedWith(error, "ENOENT", "ESRCH", "EACCES")) throw error;
    }
  }
  return undefined;
}

function* threadsOf(pid: number): Generator<string> {
  yield `/proc/${pid}`;
  for (const thread of listIfThere(`/proc/${pid}/task`)) {
    if (thread !== `${pid}`) yield `/proc/${pid}/task/${thread}`;
  }
}

/**
 * Which directory a process has as its root, in the form of {@linkcode FileStatus.identity}.
 *
 * @returns `undefined` when the process is gone, or a kernel thread, or a zombie.
 * @throws {SyscallError}
 */
export function rootIdentity(pid: number): string | undefined {
  return throughThread(pid, (directory) => identityAt(`${directory}/root`));
}

/**
 * The process that a process is a child of: proc_pid_stat(5).
 *
 * @returns `undefined` when there is no such process.
 * @throws {SyscallError}
 */
export function parentOf(pid: number): number | undefined {
  const parent = readStat(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/**
 * When a process began, in clock ticks since the machine did: proc_pid_stat(5). With its number, that tells it from
 * those that had the number before and those that will.
 *
 * @returns `undefined` when there is no such process.
 * @throws {SyscallError}
 */
export function startOf(pid: number): string | undefined {
  return readStat(pid)?.[19];
}

/** What comes after the process's name: its state is the first. */
function readStat(pid: number): string[] | undefined {
  try {
    const text = readKernelFile(`/proc/${pid}/stat`);
    // The name has parentheses around it, and may hold anything.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch (error) {
    if (failedWith(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/**
 * The children of a process's main thread: proc_pid_children(5).
 *
 * @returns None when there is no such process.
 * @throws {SyscallError}
 */
export function childrenOf(pid: number): number[] {
  try {
    const text = readKernelFile(`/proc/${pid}/task/${pid}/children`);
    return text.split(" ").filter((word) => word !== "").map(Number);
  } catch (error) {
    if (failedWith(error, "ENOENT", "ESRCH")) return [];
    throw error;
  }
}

/**
 * The variables that this program was started with, `NAME=value` each: proc_pid_environ(5).
 *
 * Deno gives all of them only to programs that may see them all.
 *
 * @throws {SyscallError}
 */
export function ownEnvironment(): string[] {
  return readKernelFile("/proc/self/environ").split("\0").filter((variable) => variable !== "");
}
