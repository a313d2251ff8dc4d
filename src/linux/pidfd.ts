/**
 * Processes held by a descriptor, and signalled by it: pidfd_open(2), pidfd_send_signal(2).
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

/**
 * Holds a process by a descriptor, so that its id cannot come to mean another one: pidfd_open(2).
 *
 * @returns `undefined` when there is no such process.
 * @throws {SyscallError} when there is no descriptor left.
 */
export function openProcess(pid: number): Fd | undefined {
  try {
    return new Fd(syscall("pidfd_open", pid, 0));
  } catch (error) {
    // Newer kernels return ENOENT for a process that is ending, and EINVAL for a thread.
    if (failedWith(error, "ESRCH", "ENOENT", "EINVAL")) return undefined;
    throw error;
  }
}

/**
 * Signals a process that {@linkcode openProcess} holds. It is no error when the process has ended
 * meanwhile.
 *
 * @throws {SyscallError} `EPERM` when this process may not signal it.
 */
export function signalProcess(process: Fd, signal: number): void {
  try {
    syscall("pidfd_send_signal", process.number, signal, null, 0);
  } catch (error) {
    if (!failedWith(error, "ESRCH")) throw error;
  }
}
