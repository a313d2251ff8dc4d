/**
 * Waiting for children, and how they ended: wait4(2).
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { syscall } from "./libc.ts";

/** Of wait4(2): do not wait. */
export const WNOHANG = 1;
const WUNTRACED = 2;
/** The same bit, as waitid(2) calls it. */
const WSTOPPED = WUNTRACED;
/** Of waitid(2): tell of an end, and leave the child to be waited for. */
const WEXITED = 4;
const WNOWAIT = 0x100_0000;
/** The kind of id that waitid(2) takes for a process. */
const P_PID = 1;
/** `siginfo_t`, and where it has the process and the signal that stopped it. */
const SIGINFO_SIZE = 128;
const SI_PID = 16;
const SI_STATUS = 24;
/** The low byte of the wait status of a process that has stopped. */
const STOPPED = 0x7f;

/** How a process ended: with an exit status, or by a signal. */
export type End = { status: number } | { signal: number };

/**
 * Waits until a child ends.
 *
 * @throws {SyscallError} `ECHILD` when it is no child of this process.
 */
export function endOf(pid: number): End {
  return decodeEnd(waitStatus(pid));
}

/**
 * Returns what became of a child since the last call, without waiting: it has ended, or it has
 * stopped.
 *
 * @returns `undefined` when neither.
 * @throws {SyscallError} `ECHILD` when it is no child of this process.
 */
export function changeOf(pid: number): End | "stopped" | undefined {
  const status = new Int32Array(1);
  const changed = syscall("wait4", pid, asBytes(status), WNOHANG | WUNTRACED, null);
  if (changed === 0) return undefined;
  return (status[0]! & 0xff) === STOPPED ? "stopped" : decodeEnd(status[0]!);
}

/**
 * Returns the signal by which a child has stopped since the last call, without waiting: waitid(2).
 * A child that has ended can still be waited for.
 *
 * @returns `undefined` when it has not stopped, goes on by now, or has ended.
 * @throws {SyscallError} when the kernel refuses to tell.
 */
export function stopOf(pid: number): number | undefined {
  return statusBy(pid, WSTOPPED);
}

/**
 * Tells whether a child has ended. It can still be waited for.
 *
 * @throws {SyscallError} when the kernel refuses to tell.
 */
export function hasEnded(pid: number): boolean {
  return statusBy(pid, WEXITED | WNOWAIT) !== undefined;
}

/** Looks, without waiting, whether something has happened to a child: waitid(2). */
function statusBy(pid: number, options: number): number | undefined {
  const info = new Uint8Array(SIGINFO_SIZE);
  try {
    syscall("waitid", P_PID, pid, info, options | WNOHANG, null);
  } catch (error) {
    // There is no child any more to which it could happen.
    if (failedWith(error, "ECHILD")) return undefined;
    throw error;
  }
  const view = new DataView(info.buffer);
  return view.getInt32(SI_PID, true) === pid ? view.getInt32(SI_STATUS, true) : undefined;
}

/**
 * Waits until a child ends.
 *
 * @returns Its exit status, or 128 and the number of the signal that ended it.
 * @throws {SyscallError} `ECHILD` when it is no child of this process.
 */
export function waitFor(pid: number): number {
  return exitStatus(waitStatus(pid));
}

/**
 * Waits for any children that end, until a certain one has.
 *
 * The first process of a PID namespace ends only after all others in it were waited for, whoever
 * their parents are: pid_namespaces(7).
 *
 * @throws {SyscallError} `ECHILD` when no child is left.
 */
export function waitForAllUntil(pid: number): void {
  while (syscall("wait4", -1, null, 0, null) !== pid);
}

/**
 * Translates a wait status into a shell's exit status: wait(2).
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

function waitStatus(pid: number): number {
  const status = new Int32Array(1);
  syscall("wait4", pid, asBytes(status), 0, null);
  return status[0]!;
}

/** Translates a wait status of a process that has ended. */
export function decodeEnd(status: number): End {
  const signal = status & 0x7f;
  return signal === 0 ? { status: (status >> 8) & 0xff } : { signal };
}
