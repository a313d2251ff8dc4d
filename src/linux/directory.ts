/**
 * Directories: listing what is in them, and making, renaming and removing it.
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { AT_FDCWD, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openAt, openFile } from "./open.ts";
import { S_IFCHR } from "./stat.ts";
import { decodeText } from "./text.ts";

const RENAME_EXCHANGE = 2;

/** The type of a directory in getdents64(2). */
const DT_DIR = 4;

/**
 * Renames a file within a directory. A file that has the new name is replaced.
 *
 * @throws {SyscallError} when there is no such file, or the directory cannot be changed.
 */
export function renameAt(directory: Fd, from: string, to: string): void {
  syscall("renameat2", directory.number, from, directory.number, to, 0);
}

/**
 * Exchanges the names of two files in a directory: renameat2(2), `RENAME_EXCHANGE`.
 *
 * @throws {SyscallError} `EINVAL` when the file system cannot do this.
 */
export function exchangeAt(directory: Fd, one: string, other: string): void {
  syscall("renameat2", directory.number, one, directory.number, other, RENAME_EXCHANGE);
}

/**
 * Makes a directory with mode 0755, whatever the umask: mkdirat(2). Its name is not looked up
 * again: somebody else may have given it to another directory by then.
 *
 * @throws {SyscallError} `EEXIST` when something has this name.
 */
export function makeDirectoryAt(directory: Fd, name: string): void {
  const umask = syscall("umask", 0);
  try {
    syscall("mkdirat", directory.number, name, 0o755);
  } finally {
    syscall("umask", umask);
  }
}

/**
 * Makes a directory or a link, unless something has its name.
 *
 * @throws {Error} what `make` throws for another reason.
 */
export function unlessThere(make: () => void): void {
  try {
    make();
  } catch (error) {
    if (!failedWith(error, "EEXIST")) throw error;
  }
}

/**
 * Makes a directory, and the directories above it, where they are missing.
 *
 * @param path Absolute, or relative to the working directory; links on the way are followed.
 * @throws {SyscallError} `ENOTDIR` when something on the way is not a directory.
 */
export function makeDirectories(path: string): void {
  const absolute = path.startsWith("/");
  let directory = openFile(absolute ? "/" : ".", O_PATH | O_DIRECTORY);
  for (const name of path.split("/").filter((name) => name !== "")) {
    using parent = directory;
    unlessThere(() => makeDirectoryAt(parent, name));
    directory = openAt(parent, name, O_PATH | O_DIRECTORY);
  }
  directory[Symbol.dispose]();
}

/**
 * Makes a directory with this mode, whatever the umask: mkdir(2). The path is looked up twice, so
 * nobody else may change anything there.
 *
 * @throws {SyscallError} `EEXIST` when something is at the path.
 */
export function makeDirectory(path: string, mode = 0o755): void {
  syscall("mkdirat", AT_FDCWD, path, mode);
  syscall("fchmodat", AT_FDCWD, path, mode);
}

/**
 * Makes a symbolic link: symlink(2).
 *
 * @param target The text of the link.
 * @throws {SyscallError} `EEXIST` when something is at the path.
 */
export function makeLink(target: string, path: string): void {
  syscall("symlinkat", target, AT_FDCWD, path);
}

/**
 * Makes a symbolic link in a directory: symlinkat(2).
 *
 * @param target The text of the link.
 * @throws {SyscallError} `EEXIST` when something has this name.
 */
export function makeLinkAt(directory: Fd, target: string, name: string): void {
  syscall("symlinkat", target, directory.number, name);
}

/**
 * Removes a file if it is there: unlink(2).
 *
 * @throws {SyscallError} `EISDIR` for a directory, or when the file cannot be removed.
 */
export function removeFile(path: string): void {
  removeFrom(AT_FDCWD, path);
}

/**
 * Removes a file of a directory if it is there: unlinkat(2).
 *
 * @throws {SyscallError} `EISDIR` for a directory, or when the file cannot be removed.
 */
export function removeAt(directory: Fd, name: string): void {
  removeFrom(directory.number, name);
}

function removeFrom(directory: number, path: string): void {
  try {
    syscall("unlinkat", directory, path, 0);
  } catch (error) {
    if (!failedWith(error, "ENOENT")) throw error;
  }
}

/**
 * Makes the file of a character device with this mode, whatever the umask: mknod(2).
 *
 * @throws {SyscallError} `EPERM` without CAP_MKNOD; `EEXIST` when something is at the path.
 */
export function makeNode(
  path: string,
  mode: number,
  major: number,
  minor: number,
  { uid, gid }: { uid: number; gid: number },
): void {
  syscall("mknodat", AT_FDCWD, path, S_IFCHR | mode, major << 8 | minor);
  syscall("fchmodat", AT_FDCWD, path, mode);
  syscall("fchownat", AT_FDCWD, path, uid, gid, 0);
}

/** A name in a directory. */
export interface DirectoryEntry {
  name: string;
  /**
   * Whether the file system itself says that it is a directory. Not all file systems do, but the
   * kernel's own do.
   */
  isDirectory: boolean;
}

/**
 * Returns the names in a directory, without `.` and `..`.
 *
 * @throws {SyscallError} when the directory cannot be opened.
 */
export function listDirectory(path: string): string[] {
  return listEntries(path).map(({ name }) => name);
}

/**
 * Returns the names in a directory that may be missing.
 *
 * @returns No names when the directory is missing.
 * @throws {SyscallError} when the directory is there and cannot be opened.
 */
export function listIfThere(path: string): string[] {
  try {
    return listDirectory(path);
  } catch (error) {
    // ESRCH: in /proc, the process has gone since its directory was found.
    if (failedWith(error, "ENOENT", "ENOTDIR", "ESRCH")) return [];
    throw error;
  }
}

/**
 * Returns what is in a directory, without `.` and `..`: getdents64(2).
 *
 * @throws {SyscallError} when the directory cannot be opened.
 */
export function listEntries(path: string): DirectoryEntry[] {
  using fd = openFile(path, O_RDONLY | O_DIRECTORY);
  return listEntriesOf(fd);
}

/**
 * Returns what is in an open directory, without `.` and `..`. This works once for each descriptor,
 * which is then at the end.
 *
 * @throws {SyscallError} when the descriptor is not a directory that is open for reading.
 */
export function listEntriesOf(fd: Fd): DirectoryEntry[] {
  const entries: DirectoryEntry[] = [];
  const buffer = new Uint8Array(32 * 1024);
  for (;;) {
    const length = syscall("getdents64", fd.number, buffer, buffer.length);
    if (length === 0) return entries;
    entries.push(...entriesIn(buffer.subarray(0, length)));
  }
}

/** `struct linux_dirent64`: 8 bytes inode, 8 offset, 2 record length, 1 type, then the name. */
function* entriesIn(records: Uint8Array): Generator<DirectoryEntry> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at < records.length; at += view.getUint16(at + 16, true)) {
    const name = decodeText(records.subarray(at + 19, records.indexOf(0, at + 19)));
    if (name !== "." && name !== "..") yield { name, isDirectory: records[at + 18] === DT_DIR };
  }
}
