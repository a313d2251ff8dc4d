/**
 * Processes: looking at them, signalling them safely, and waiting for them.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { listDirectory, listIfThere } from "./directory.ts";
import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { type Call, syscall } from "./libc.ts";
import { readKernelFile } from "./read_write.ts";
import { identityAt } from "./stat.ts";

export const SIGKILL = 9;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;

/** The highest signal number: signal(7). */
const SIGRTMAX = 64;
const SIG_SETMASK = 2;
/** Bytes of the kernel's signal set. */
const SIGSET_SIZE = 8;
/** The kernel's `struct sigaction` with `SIG_DFL`, no flags and an empty mask is all zeros. */
const DEFAULT_ACTION = new Uint8Array(32);
/** The same with `SIG_IGN`, which is 1. */
const IGNORE_ACTION = asBytes(new BigUint64Array([1n, 0n, 0n, 0n]));
const WNOHANG = 1;
const WUNTRACED = 2;
/** The low byte of the status of a process that has stopped. */
const STOPPED = 0x7f;
const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;

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

/**
 * Has the kernel kill the process when the thread that started it ends; where that has ended already, nothing
 * happens. Whatever changes its credentials takes that back.
 *
 * @throws {SyscallError}
 */
export function dieWithParent(call: Call): void {
  call("prctl", PR_SET_PDEATHSIG, SIGKILL);
}

/**
 * Keeps a process's memory, descriptors and directories from whoever has the same user: `PR_SET_DUMPABLE` of prctl(2).
 * That ends with execve(2).
 */
export function makeUndumpable(call: Call): void {
  call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0);
}

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

/** How a process ended: with an exit status, or by a signal. */
export type End = { status: number } | { signal: number };

/**
 * Waits for a child's end.
 *
 * @throws {SyscallError}
 */
export function endOf(pid: number): End {
  return decodeEnd(waitStatus(pid));
}

/**
 * What has become of a child since it was asked for last: it has ended, or stopped.
 *
 * @returns `undefined` when neither.
 * @throws {SyscallError}
 */
export function changeOf(pid: number): End | "stopped" | undefined {
  const status = new Int32Array(1);
  const changed = syscall("wait4", pid, asBytes(status), WNOHANG | WUNTRACED, null);
  if (changed === 0) return undefined;
  return (status[0]! & 0xff) === STOPPED ? "stopped" : decodeEnd(status[0]!);
}

/**
 * Ends this process as another one has ended, so that whoever waits for it cannot tell the difference.
 *
 * @throws {SyscallError}
 */
export function endAs(end: End): never {
  if ("status" in end) Deno.exit(end.status);
  // The memory image that some signals leave behind would be of this program, not of that one.
  makeUndumpable(syscall);
  resetSignals();
  signalSelf(end.signal);
  Deno.exit(128 + end.signal);
}

/** Stops this process, until it gets SIGCONT. */
export function stopSelf(): void {
  signalSelf(SIGSTOP);
}

function signalSelf(signal: number): void {
  using self = openProcess(Deno.pid);
  if (self) signalProcess(self, signal);
}

function decodeEnd(status: number): End {
  const signal = status & 0x7f;
  return signal === 0 ? { status: (status >> 8) & 0xff } : { signal };
}

/**
 * Waits for a child's end.
 *
 * @returns Its exit status, or 128 and the number of the signal that ended it.
 * @throws {SyscallError}
 */
export function waitFor(pid: number): number {
  return exitStatus(waitStatus(pid));
}

/**
 * Waits for whichever children end, until a certain one has.
 *
 * The first process of a PID namespace ends only when all others in it have been waited for, by whoever their
 * parents are: pid_namespaces(7).
 *
 * @throws {SyscallError}
 */
export function waitForAllUntil(pid: number): void {
  while (syscall("wait4", -1, null, 0, null) !== pid);
}

function waitStatus(pid: number): number {
  const status = new Int32Array(1);
  syscall("wait4", pid, asBytes(status), 0, null);
  return status[0]!;
}

/**
 * Has the kernel forget each child that ends, also those that are left to this process: wait(2), notes on
 * `SIGCHLD`.
 */
export function ignoreChildren(call: Call): void {
  call("rt_sigaction", SIGCHLD, IGNORE_ACTION, null, SIGSET_SIZE);
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
export function resetSignals(call: Call = syscall): void {
  setAllActions(DEFAULT_ACTION, [SIGKILL, SIGSTOP], call);
  call("rt_sigprocmask", SIG_SETMASK, new Uint8Array(SIGSET_SIZE), null, SIGSET_SIZE);
}

function setAllActions(action: Bytes, except: readonly number[], call: Call = syscall): void {
  for (let signal = 1; signal <= SIGRTMAX; signal++) {
    if (!except.includes(signal)) call("rt_sigaction", signal, action, null, SIGSET_SIZE);
  }
}
