/**
 * Processes held by a descriptor, and signalled by it: pidfd_open(2), pidfd_send_signal(2).
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";
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

/** Bytes of `siginfo_t`, and its code for a signal with a value. */
const SIGINFO_SIZE = 128;
const SI_QUEUE = -1;

/**
 * Signals a process that {@linkcode openProcess} holds. It is no error when the process has ended
 * meanwhile.
 *
 * @param value What the process is passed with the signal, if it reads that: sigqueue(3).
 * @throws {SyscallError} `EPERM` when this process may not signal it.
 */
export function signalProcess(process: Fd, signal: number, value?: number): void {
  const info = value === undefined ? null : siginfo(signal, value);
  try {
    syscall("pidfd_send_signal", process.number, signal, info, 0);
  } catch (error) {
    if (!failedWith(error, "ESRCH")) throw error;
  }
}

/** `siginfo_t` of a queued signal: its number is at 0, its code at 8, its value at 24. */
function siginfo(signal: number, value: number): Bytes {
  const bytes = new Uint8Array(SIGINFO_SIZE);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, signal, true);
  view.setInt32(8, SI_QUEUE, true);
  view.setInt32(24, value, true);
  return bytes;
}
