/**
 * Processes held by a descriptor, and signalled by it: pidfd_open(2), pidfd_send_signal(2).
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

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
