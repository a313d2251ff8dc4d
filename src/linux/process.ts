/**
 * Processes: signalling them safely, and becoming another program.
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { Fd, keepAcrossExec, listDirectory, statPath } from "./file.ts";
import { cStringArray, syscall } from "./libc.ts";

export const SIGKILL = 9;
export const SIGTERM = 15;
const SIGSTOP = 19;

/** The highest signal number: signal(7). */
const SIGRTMAX = 64;
const SIG_SETMASK = 2;
/** Bytes of the kernel's signal set. */
const SIGSET_SIZE = 8;
/** The kernel's `struct sigaction` with `SIG_DFL`, no flags and an empty mask is all zeros. */
const DEFAULT_ACTION = new Uint8Array(32);
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
export function execute({ path, argv, environment, keepFds }: Program): void {
  resetSignals();
  closeAllAtExec();
  keepFds.forEach(keepAcrossExec);
  syscall("execve", path, cStringArray(argv), cStringArray(environment));
}

/**
 * Handlers go at exec anyway; what was ignored would stay ignored. Deno ignores SIGPIPE, for one, and
 * whoever started rkt may have ignored more.
 */
function resetSignals(): void {
  for (let signal = 1; signal <= SIGRTMAX; signal++) {
    if (signal !== SIGKILL && signal !== SIGSTOP) {
      syscall("rt_sigaction", signal, DEFAULT_ACTION, null, SIGSET_SIZE);
    }
  }
  syscall("rt_sigprocmask", SIG_SETMASK, new Uint8Array(SIGSET_SIZE), null, SIGSET_SIZE);
}

/** Marked, not closed: should the exec fail, this program still runs and says so. */
function closeAllAtExec(): void {
  syscall("close_range", 3, LAST_FD, CLOSE_RANGE_CLOEXEC);
}
