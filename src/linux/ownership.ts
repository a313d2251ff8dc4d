/**
 * Owners and permission bits of files.
 *
 * @module
 */

import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

/**
 * fchmod(2).
 *
 * @throws {SyscallError}
 */
export function setMode(fd: Fd, mode: number): void {
  syscall("fchmod", fd.number, mode);
}

/**
 * fchown(2).
 *
 * @throws {SyscallError}
 */
export function setOwner(fd: Fd, uid: number, gid: number): void {
  syscall("fchown", fd.number, uid, gid);
}

/**
 * fchownat(2); a link is not followed.
 *
 * @param name In the directory; empty for the opened file itself.
 * @throws {SyscallError}
 */
export function setOwnerAt(
  directory: Fd,
  name: string,
  { uid, gid }: { uid: number; gid: number },
): void {
  syscall("fchownat", directory.number, name, uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
}
