/**
 * Texts of symbolic links, and the paths of open descriptors: readlinkat(2).
 *
 * @module
 */

import { AT_FDCWD, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { decodeText } from "./text.ts";

/**
 * Returns the text of a symbolic link in a directory.
 *
 * @throws {SyscallError} `ENOENT` when there is nothing of this name, `EINVAL` when it is no link.
 */
export function readLinkAt(directory: Fd | typeof AT_FDCWD, name: string): string {
  const number = directory instanceof Fd ? directory.number : directory;
  const buffer = new Uint8Array(4096);
  const length = syscall("readlinkat", number, name, buffer, buffer.length);
  return decodeText(buffer.subarray(0, length));
}

/**
 * Returns the path of the working directory as this process sees it.
 *
 * @throws {SyscallError} when /proc cannot be read.
 */
export function workingDirectory(): string {
  return readLinkAt(AT_FDCWD, "/proc/self/cwd");
}

/** Returns the path of an open descriptor as this process sees it. */
export function pathOf(fd: Fd): string {
  return readLinkAt(AT_FDCWD, `/proc/self/fd/${fd.number}`);
}
