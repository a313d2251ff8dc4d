/**
 * What a process sets of itself, and how this one ends.
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { type Call, syscall } from "./libc.ts";
import { openProcess, signalProcess } from "./pidfd.ts";
import { resetSignal } from "./signal_actions.ts";
import { SIGKILL } from "./signal_numbers.ts";
import { unblockSignals } from "./signals.ts";
import type { End } from "./wait.ts";

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;
const PR_GET_NO_NEW_PRIVS = 39;

/** Returns this process's group. */
export function ownProcessGroup(): number {
  return syscall("getpgid", 0);
}

/**
 * Returns the group of a process.
 *
 * @param pid A child that has not been waited for: its number cannot come to mean another process.
 * @throws {SyscallError} `ESRCH` when there is no such process.
 */
export function groupOf(pid: number): number {
  return syscall("getpgid", pid);
}

/**
 * Signals the process group of a child, unless this process is in it as well. It is no error when
 * no process is left.
 *
 * @param pid The child, which has not been waited for: so neither its number nor that of the group
 * that it leads can come to mean others.
 * @throws {SyscallError} `EPERM` when this process may signal none of the group.
 */
export function signalGroupOf(pid: number, signal: number): void {
  const group = groupOf(pid);
  if (group === ownProcessGroup()) return;
  try {
    syscall("kill", -group, signal);
  } catch (error) {
    if (!failedWith(error, "ESRCH")) throw error;
  }
}

/**
 * Sets the name of a process that ps(1) shows: `PR_SET_NAME` of prctl(2).
 *
 * @param name At most 15 bytes.
 */
export function setProcessName(name: string, call: Call): void {
  call("prctl", PR_SET_NAME, name, 0, 0, 0);
}

/**
 * Has the kernel kill the process when the thread that started it ends. If that thread has ended
 * already, nothing happens. A change of the process's credentials undoes this.
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function dieWithParent(call: Call): void {
  call("prctl", PR_SET_PDEATHSIG, SIGKILL);
}

/**
 * Keeps a process's memory, descriptors and directories from other processes of the same user,
 * until execve(2): `PR_SET_DUMPABLE` of prctl(2).
 */
export function makeUndumpable(call: Call): void {
  call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/** Tells whether execve(2) gives this thread no privileges: `PR_GET_NO_NEW_PRIVS` of prctl(2). */
export function hasNoNewPrivileges(): boolean {
  return syscall("prctl", PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) === 1;
}

/**
 * Ends this process in the way that another one ended, so that its parent cannot tell the
 * difference.
 *
 * @throws {SyscallError} when this process cannot signal itself.
 */
export function endAs(end: End): never {
  if ("status" in end) Deno.exit(end.status);
  // Some signals leave a core dump, which would be this program's, not the other one's.
  makeUndumpable(syscall);
  // The kernel lets nobody change what SIGKILL does.
  if (end.signal !== SIGKILL) resetSignal(end.signal);
  unblockSignals([end.signal]);
  signalSelf(end.signal);
  Deno.exit(128 + end.signal);
}

/**
 * Has a signal act on this process, at once.
 *
 * @throws {SyscallError} when this process cannot signal itself.
 */
export function signalSelf(signal: number): void {
  using self = openProcess(Deno.pid);
  if (self) signalProcess(self, signal);
}
