/**
 * Processes: signalling them safely, and becoming another program.
 *
 * @module
 */

import { failedWith, SyscallError } from "./errno.ts";
import { Fd, keepAcrossExec, listDirectory, readKernelFile, statPath } from "./file.ts";
import { asBytes, type Bytes, cStringArray, keepInMemory, posixSpawn, syscall } from "./libc.ts";

export const SIGKILL = 9;
export const SIGTERM = 15;
const SIGCHLD = 17;
const SIGSTOP = 19;

/** The highest signal number: signal(7). */
const SIGRTMAX = 64;
const SIG_SETMASK = 2;
/** Bytes of the kernel's signal set. */
const SIGSET_SIZE = 8;
/** The kernel's `struct sigaction` with `SIG_DFL`, no flags and an empty mask is all zeros. */
const DEFAULT_ACTION = new Uint8Array(32);
/** The same with `SIG_IGN`, which is 1. */
const IGNORE_ACTION = asBytes(new BigUint64Array([1n, 0n, 0n, 0n]));
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_FD = 0xffff_ffff;

/** This process's group. */
export function ownProcessGroup(): number {
  return syscall("getpgid", 0);
}

/**
 * Takes hold of a process, so that its number cannot come to mean another: pidfd_open(2).
 *
 * @returns `undefined` when there is no such process.
 * @throws {SyscallError}
 */
export function openProcess(pid: number): Fd | undefined {
  try {
    return new Fd(syscall("pidfd_open", pid, 0));
  } catch (error) {
    // Newer kernels say ENOENT of a process that ends just now, and EINVAL of a thread.
    if (failedWith(error, "ESRCH", "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}

/**
 * Signals a process that {@linkcode openProcess} holds. A process that has ended meanwhile is no error.
 *
 * @throws {SyscallError}
 */
export function signalProcess(process: Fd, signal: number): void {
  try {
    syscall("pidfd_send_signal", process.number, signal, null, 0);
  } catch (error) {
    if (!failedWith(error, "ESRCH")) throw error;
  }
}

/** The ids of all processes that /proc shows. */
export function listProcesses(): number[] {
  return listDirectory("/proc").filter((name) => /^[0-9]+$/.test(name)).map(Number);
}

/**
 * Which directory a process has as its root, in the form of {@linkcode FileStatus.identity}.
 *
 * @returns `undefined` when the process is gone, or a kernel thread, or a zombie.
 * @throws {SyscallError}
 */
export function rootIdentity(pid: number): string | undefined {
  try {
    return statPath(`/proc/${pid}/root`).identity;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ESRCH", "EACCES")) return undefined;
    throw error;
  }
}

/** A program, ready to be started. */
export interface Program {
  /** Where it is, in this process's root. */
  path: string;
  argv: readonly string[];
  /** `NAME=value` each. */
  environment: readonly string[];
  /** The descriptors beside 0 to 2 that it gets; all others are closed. */
  keepFds: readonly number[];
}

/**
 * Becomes the program: execve(2), with default signal dispositions, an empty signal mask and no
 * descriptors but those asked for.
 *
 * On success it does not return.
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function execute(program: Program): void {
  prepareProgram(program)();
}

/**
 * Does all of {@linkcode execute} but the last call, and takes all memory that this needs, so that a system
 * call filter can be put in force in between.
 *
 * @returns What makes that call, and no other.
 * @throws {SyscallError}
 */
export function prepareProgram({ path, argv, environment, keepFds }: Program): () => void {
  resetSignals();
  closeAllAtExec();
  keepFds.forEach(keepAcrossExec);
  const where = keepInMemory(path);
  const args = keepInMemory(cStringArray(argv));
  const variables = keepInMemory(cStringArray(environment));
  return () => {
    try {
      syscall("execve", where, args, variables);
    } catch (error) {
      // An address tells a person nothing.
      throw error instanceof SyscallError ? new SyscallError("execve", [path], error.errno) : error;
    }
  };
}

/**
 * Runs a program as a child, with this thread's credentials and root, and waits for its end.
 *
 * It starts as cleanly as with {@linkcode execute}, with descriptors 0 to 2 alone.
 *
 * @returns Its exit status, or 128 and the number of the signal that ended it.
 * @throws {SyscallError} when it cannot be started.
 */
export function runToEnd(program: Omit<Program, "keepFds">): number {
  return waitFor(start({ ...program, keepFds: [] }));
}

/**
 * Starts a program as a child, with this thread's credentials and root, as cleanly as {@linkcode execute}.
 *
 * @returns Its process id.
 * @throws {SyscallError} when it cannot be started.
 */
export function start({ path, argv, environment, keepFds }: Program): number {
  resetSignals();
  closeAllAtExec();
  keepFds.forEach(keepAcrossExec);
  return posixSpawn(path, argv, environment);
}

/**
 * Waits for a child's end.
 *
 * @returns Its exit status, or 128 and the number of the signal that ended it.
 * @throws {SyscallError}
 */
export function waitFor(pid: number): number {
  const status = new Int32Array(1);
  syscall("wait4", pid, asBytes(status), 0, null);
  return exitStatus(status[0]!);
}

/**
 * Ignores all signals that can be, but for the one that tells of a child's end: ignoring that one would have
 * the kernel forget the child's status.
 *
 * @throws {SyscallError}
 */
export function ignoreSignals(): void {
  setAllActions(IGNORE_ACTION, [SIGKILL, SIGSTOP, SIGCHLD]);
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
 * What a wait status means, as a shell says it: wait(2).
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(exitStatus(3 << 8), 3);
 * assertEquals(exitStatus(9), 137);
 * ```
 */
export function exitStatus(status: number): number {
  const signal = status & 0x7f;
  return signal === 0 ? (status >> 8) & 0xff : 128 + signal;
}

/**
 * Handlers go at exec anyway; what was ignored would stay ignored. Deno ignores SIGPIPE, for one, and
 * whoever started rkt may have ignored more.
 */
function resetSignals(): void {
  setAllActions(DEFAULT_ACTION, [SIGKILL, SIGSTOP]);
  syscall("rt_sigprocmask", SIG_SETMASK, new Uint8Array(SIGSET_SIZE), null, SIGSET_SIZE);
}

function setAllActions(action: Bytes, except: readonly number[]): void {
  for (let signal = 1; signal <= SIGRTMAX; signal++) {
    if (!except.includes(signal)) syscall("rt_sigaction", signal, action, null, SIGSET_SIZE);
  }
}

/** Marked, not closed: should the exec fail, this program still runs and says so. */
function closeAllAtExec(): void {
  syscall("close_range", 3, LAST_FD, CLOSE_RANGE_CLOEXEC);
}
