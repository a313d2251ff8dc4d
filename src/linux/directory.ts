/**
 * Directories: listing what is in them, and making, renaming and removing it.
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { AT_FDCWD, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, openAt, openFile } from "./open.ts";
import { setMode } from "./ownership.ts";
import { S_IFCHR } from "./stat.ts";

/** The type of a directory in getdents64(2). */
const DT_DIR = 4;

/**
 * Gives a file of a directory another name in it; what had that name goes.
 *
 * @throws {SyscallError}
 */
export function renameAt(directory: Fd, from: string, to: string): void {
  syscall("renameat2", directory.number, from, directory.number, to, 0);
}

/**
 * mkdirat(2) with mode 0755, whatever the umask.
 *
 * @throws {SyscallError}
 */
export function makeDirectoryAt(directory: Fd, name: string): void {
  syscall("mkdirat", directory.number, name, 0o755);
  using made = openAt(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  setMode(made, 0o755);
}

/**
 * Makes a directory, and those on the way to it, where they are missing.
 *
 * @param path Absolute, or relative to the working directory; links on the way are followed.
 * @throws {SyscallError}
 */
export function makeDirectories(path: string): void {
  const absolute = path.startsWith("/");
  let directory = openFile(absolute ? "/" : ".", O_PATH | O_DIRECTORY);
  for (const name of path.split("/").filter((name) => name !== "")) {
    using parent = directory;
    try {
      makeDirectoryAt(parent, name);
    } catch (error) {
      if (!failedWith(error, "EEXIST")) throw error;
    }
    directory = openAt(parent, name, O_PATH | O_DIRECTORY);
  }
  directory[Symbol.dispose]();
}

/**
 * mkdir(2) with this mode, whatever the umask, where nobody else makes anything: it is looked up twice.
 *
 * @throws {SyscallError}
 */
export function makeDirectory(path: string, mode = 0o755): void {
  syscall("mkdirat", AT_FDCWD, path, mode);
  syscall("fchmodat", AT_FDCWD, path, mode);
}

/**
 * symlink(2).
 *
 * @param target What the link says.
 * @throws {SyscallError}
 */
export function makeLink(target: string, path: string): void {
  syscall("symlinkat", target, AT_FDCWD, path);
}

/**
 * Removes a file, if it is there: unlink(2).
 *
 * @throws {SyscallError}
 */
export function removeFile(path: string): void {
  try {
    syscall("unlinkat", AT_FDCWD, path, 0);
  } catch (error) {
    if (!failedWith(error, "ENOENT")) throw error;
  }
}

/**
 * Makes the file of a character device: mknod(2), with this mode whatever the umask.
 *
 * @throws {SyscallError}
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
  /** Whether the file system says so itself; not all do, those of the kernel's own do. */
  isDirectory: boolean;
}

/**
 * The names in a directory, without `.` and `..`.
 *
 * @throws {SyscallError}
 */
export function listDirectory(path: string): string[] {
  return listEntries(path).map(({ name }) => name);
}

/**
 * The names in a directory that need not be there.
 *
 * @returns None where it is not.
 * @throws {SyscallError}
 */
export function listIfThere(path: string): string[] {
  try {
    return listDirectory(path);
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

/**
 * What is in a directory, without `.` and `..`, by getdents64(2).
 *
 * @throws {SyscallError}
 */
export function listEntries(path: string): DirectoryEntry[] {
  using fd = openFile(path, O_RDONLY | O_DIRECTORY);
  return listEntriesOf(fd);
}

/**
 * The same of a directory that is open, once.
 *
 * @throws {SyscallError}
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
    const name = new TextDecoder().decode(records.subarray(at + 19, records.indexOf(0, at + 19)));
    if (name !== "." && name !== "..") yield { name, isDirectory: records[at + 18] === DT_DIR };
  }
}
