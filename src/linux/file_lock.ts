/**
 * Locks of whole files: flock(2).
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_RDONLY, openFile } from "./open.ts";

/** Of flock(2). */
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * Locks a file until the descriptor is closed, and first waits until no other open file has it
 * locked: flock(2).
 *
 * @throws {SyscallError} `EINTR` when a signal handler interrupts the wait.
 */
export function lockFile(fd: Fd): void {
  syscall("flock", fd.number, LOCK_EX);
}

/**
 * Locks a file as {@linkcode lockFile} does, without waiting.
 *
 * @returns Whether it is locked now.
 * @throws {SyscallError} when the file cannot be locked at all.
 */
export function tryLockFile(fd: Fd): boolean {
  return tryLock(fd, LOCK_EX);
}

/**
 * Checks whether somebody has an exclusive lock on a file at this moment.
 *
 * @throws {SyscallError} when the file cannot be opened.
 */
export function isLocked(path: string): boolean {
  using fd = openFile(path, O_RDONLY);
  // The lock is shared, so that two that ask at once get the same answer, and released at once.
  return !tryLock(fd, LOCK_SH);
}

/** @returns Whether the lock was free. */
function tryLock(fd: Fd, operation: typeof LOCK_SH | typeof LOCK_EX): boolean {
  try {
    syscall("flock", fd.number, operation | LOCK_NB);
    return true;
  } catch (error) {
    if (failedWith(error, "EAGAIN")) return false;
    throw error;
  }
}

/**
 * Unlocks a file, also for others that have the same open file.
 *
 * @throws {SyscallError} when the descriptor is not open.
 */
export function unlockFile(fd: Fd): void {
  syscall("flock", fd.number, LOCK_UN);
}
