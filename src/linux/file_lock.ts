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
 * Waits until no other open file has this one locked, and locks it until the descriptor is closed: flock(2).
 *
 * @throws {SyscallError}
 */
export function lockFile(fd: Fd): void {
  syscall("flock", fd.number, LOCK_EX);
}

/**
 * The same without waiting.
 *
 * @returns Whether it is locked now.
 * @throws {SyscallError}
 */
export function tryLockFile(fd: Fd): boolean {
  return tryLock(fd, LOCK_EX);
}

/**
 * Whether somebody has a file locked for themselves alone, at this moment.
 *
 * @throws {SyscallError}
 */
export function isLocked(path: string): boolean {
  using fd = openFile(path, O_RDONLY);
  // Shared, and let go at once: who asks as well is told the same.
  return !tryLock(fd, LOCK_SH);
}

/** @returns Whether nobody else stands in the way. */
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
 * Unlocks a file, whoever else has this open file as well.
 *
 * @throws {SyscallError}
 */
export function unlockFile(fd: Fd): void {
  syscall("flock", fd.number, LOCK_UN);
}
