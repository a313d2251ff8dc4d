/**
 * What a process sets of itself, and how this one ends.
 *
 * @module
 */

import { type Call, syscall } from "./libc.ts";
import { openProcess, signalProcess } from "./pidfd.ts";
import { resetSignals } from "./signal_actions.ts";
import { SIGKILL, SIGSTOP } from "./signal_numbers.ts";
import type { End } from "./wait.ts";

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_NAME = 15;

/** Returns this process's group. */
export function ownProcessGroup(): number {
  return syscall("getpgid", 0);
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
  resetSignals();
  signalSelf(end.signal);
  Deno.exit(128 + end.signal);
}

/** Stops this process until it gets SIGCONT. */
export function stopSelf(): void {
  signalSelf(SIGSTOP);
}

function signalSelf(signal: number): void {
  using self = openProcess(Deno.pid);
  if (self) signalProcess(self, signal);
}
