/**
 * Processes as /proc shows them: proc(5).
 *
 * @module
 */

import { listDirectory, listIfThere } from "./directory.ts";
import { failedWith, SyscallError } from "./errno.ts";
import { readKernelFile } from "./read_write.ts";
import { identityAt } from "./stat.ts";

/** Returns the ids of all processes that /proc shows. */
export function listProcesses(): number[] {
  return listDirectory("/proc").filter((name) => /^[0-9]+$/.test(name)).map(Number);
}

/**
 * Looks at what belongs to a process: its root, its program, its namespaces.
 *
 * The process may be gone, and what it has may be in a file system of somebody's own, whose server
 * answers what it likes: a FUSE can have the kernel return nearly any error, even to root. Only
 * errors that speak of the process that looks are passed on.
 *
 * @returns `undefined` when there is nothing to be seen.
 * @throws {Error} what `look` throws, where that tells of this process: it lacks descriptors,
 * memory, or a call of the kernel.
 */
export function lookAtOthers<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.is("EBADF", "EMFILE", "ENFILE", "ENOMEM", "ENOSYS")) throw error;
    return undefined;
  }
}

/**
 * Looks at a process through /proc's directory of its first thread, or, where that thread has
 * ended, of another one: a process lives as long as any of its threads.
 *
 * @param look Gets a directory such as `/proc/7` or `/proc/7/task/9`.
 * @returns `undefined` when the process is gone, or a kernel thread, or a zombie, or when its own
 * file system refuses the look.
 * @throws {Error} what `look` throws, where that tells of this process.
 */
export function throughThread<T>(pid: number, look: (directory: string) => T): T | undefined {
  for (const directory of threadsOf(pid)) {
    const seen = lookAtOthers(() => look(directory));
    if (seen !== undefined) return seen;
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
 * Returns the identity of a process's root directory, in the form of {@linkcode
 * FileStatus.identity}.
 *
 * @returns `undefined` when the process is gone, or a kernel thread, or a zombie, or when the file
 * system of its root refuses a look.
 * @throws {SyscallError} when this process may not look.
 */
export function rootIdentity(pid: number): string | undefined {
  return throughThread(pid, (directory) => identityAt(`${directory}/root`));
}

/**
 * Returns the process id of a process's parent: proc_pid_stat(5).
 *
 * @returns `undefined` when there is no such process.
 * @throws {SyscallError} when /proc cannot be read.
 */
export function parentOf(pid: number): number | undefined {
  const parent = readStat(pid)?.[1];
  return parent === undefined ? undefined : Number(parent);
}

/**
 * Returns when a process began, in clock ticks since the machine started: proc_pid_stat(5).
 * Together with its id, this tells a process from those that had the id before and will have it
 * after.
 *
 * @returns `undefined` when there is no such process.
 * @throws {SyscallError} when /proc cannot be read.
 */
export function startOf(pid: number): string | undefined {
  return readStat(pid)?.[19];
}

/** The fields after the process's name; the first of them is its state. */
function readStat(pid: number): string[] | undefined {
  try {
    const text = readKernelFile(`/proc/${pid}/stat`);
    // The name is in parentheses, and may hold any character.
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch (error) {
    if (failedWith(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/**
 * Returns the children of a process's main thread: proc_pid_children(5).
 *
 * @returns None when there is no such process.
 * @throws {SyscallError} when /proc cannot be read.
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
 * Returns the variables that this program was started with, each as `NAME=value`:
 * proc_pid_environ(5).
 *
 * Deno gives all variables only to programs that may see every one, and none that is not UTF-8.
 *
 * @throws {SyscallError} when /proc cannot be read.
 */
export function ownEnvironment(): readonly string[] {
  return environment ??= readKernelFile("/proc/self/environ").split("\0")
    .filter((variable) => variable !== "");
}

/** They never change, and every start asks for several. */
let environment: readonly string[] | undefined;

/**
 * Returns one of the variables that this program was started with.
 *
 * @returns Its value, the first where there are several; `undefined` where there is none.
 * @throws {SyscallError} when /proc cannot be read.
 */
export function ownVariable(name: string): string | undefined {
  return ownEnvironment().find((variable) => variable.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}

/**
 * Returns the arguments that this program was started with, its own name first:
 * proc_pid_cmdline(5).
 *
 * @throws {SyscallError} when /proc cannot be read.
 */
export function ownArguments(): string[] {
  return readKernelFile("/proc/self/cmdline").split("\0").slice(0, -1);
}
