/**
 * Owners and permission bits of files.
 *
 * @module
 */

import type { CallScript } from "./call_script.ts";
import { failedWith } from "./errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_PATH, openFile } from "./open.ts";

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

/** The attribute with a file's access control list: acl(5). */
const ACCESS_LIST = "system.posix_acl_access";

/**
 * Tells whether a file has an access control list.
 *
 * @throws {SyscallError} when the kernel refuses to tell.
 */
export function hasAccessList(fd: Fd): boolean {
  return unlessNone(() => syscall("fgetxattr", fd.number, ACCESS_LIST, null, 0) > 0) ?? false;
}

/**
 * Removes a file's access control list, if it has one. Its owner may have let others in by it, and
 * himself, for the time when he owns the file no more.
 *
 * @throws {SyscallError} `EPERM` for a file of another user's without CAP_FOWNER.
 */
export function removeAccessList(fd: Fd): void {
  unlessNone(() => syscall("fremovexattr", fd.number, ACCESS_LIST));
}

/** Few file systems that have terminals or pipes have such lists. */
function unlessNone<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (failedWith(error, "ENODATA", "EOPNOTSUPP")) return undefined;
    throw error;
  }
}

/** A file of root's that has been given to somebody else, as it was before. */
export interface GivenFile {
  fd: Fd;
  /** Permission bits. */
  mode: number;
}

/**
 * Opens a file that has been given once more, for a process that gives it back. A pipe or terminal
 * that is open in no other way counts as closed.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function reopenAsPath({ fd, mode }: GivenFile): GivenFile {
  return { fd: openFile(`/proc/self/fd/${fd.number}`, O_PATH), mode };
}

/**
 * Records that a file is given back to root, by a process of root's with CAP_CHOWN that sees the
 * host's /proc.
 *
 * @param file What {@linkcode reopenAsPath} opened.
 */
export function recordGiveBack({ fd, mode }: GivenFile, script: CallScript): void {
  script.try("fchownat", fd.number, "", 0, -1, AT_EMPTY_PATH);
  // A path's descriptor has no fchmod(2). The list and the mode are the owner's to set, so they
  // come later.
  const path = `/proc/self/fd/${fd.number}`;
  script.try("removexattr", path, ACCESS_LIST);
  script.try("fchmodat", AT_FDCWD, path, mode);
}
