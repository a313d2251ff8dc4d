/**
 * Owners and permission bits of files.
 *
 * @module
 */

import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

/**
 * Sets a file's permission bits: fchmod(2).
 *
 * @throws {SyscallError} `EPERM` for a file of another user's without CAP_FOWNER.
 */
export function setMode(fd: Fd, mode: number): void {
  syscall("fchmod", fd.number, mode);
}

/**
 * Sets a file's owner and group: fchown(2).
 *
 * @throws {SyscallError} `EPERM` without CAP_CHOWN.
 */
export function setOwner(fd: Fd, uid: number, gid: number): void {
  syscall("fchown", fd.number, uid, gid);
}

/**
 * Sets the owner and group of a file in a directory: fchownat(2). A link is not followed.
 *
 * @param name In the directory; empty for the opened file itself.
 * @throws {SyscallError} `ENOENT` when there is no such file; `EPERM` without CAP_CHOWN.
 */
export function setOwnerAt(
  directory: Fd,
  name: string,
  { uid, gid }: { uid: number; gid: number },
): void {
  syscall("fchownat", directory.number, name, uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
}
