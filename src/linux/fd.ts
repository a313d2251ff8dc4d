/**
 * Descriptors: what they are, and whether they stay open across execve(2).
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { type Call, syscall } from "./libc.ts";

/** The directory descriptor that stands for the working directory. */
export const AT_FDCWD = -100;

/** Flags of the calls whose names end in `at`. */
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;

const F_GETFD = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/**
 * The first descriptor after the standard streams, and the largest number that a descriptor can
 * have.
 */
export const FIRST_FD = 3;
export const LAST_FD = 0xffff_ffff;

/** An open file descriptor that closes itself at the end of its `using` scope. */
export class Fd implements Disposable {
  /** @param number The descriptor's number. */
  constructor(readonly number: number) {}

  [Symbol.dispose](): void {
    syscall("close", this.number);
  }
}

/** Checks whether a number is an open descriptor of this process. */
export function isOpen(fd: number): boolean {
  try {
    syscall("fcntl", fd, F_GETFD, 0);
    return true;
  } catch (error) {
    if (failedWith(error, "EBADF")) return false;
    throw error;
  }
}

/**
 * Keeps a descriptor open across execve(2).
 *
 * @throws {SyscallError} `EBADF` when it is not open.
 */
export function keepAcrossExec(fd: number, call: Call = syscall): void {
  call("fcntl", fd, F_SETFD, 0);
}

/**
 * Has a descriptor closed at execve(2).
 *
 * @throws {SyscallError} `EBADF` when it is not open.
 */
export function closeAtExec(fd: number, call: Call = syscall): void {
  call("fcntl", fd, F_SETFD, FD_CLOEXEC);
}
