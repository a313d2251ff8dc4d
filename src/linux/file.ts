/**
 * Files by descriptor: opening (also inside a root that may be hostile), reading, making, describing.
 *
 * Paths of stage2 are looked up with openat2(2) and `RESOLVE_IN_ROOT`: links and `..` stay inside.
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import { asBytes, type Bytes, syscall } from "./libc.ts";

/** The directory descriptor that stands for the working directory. */
export const AT_FDCWD = -100;

/** Flags of open(2); those that differ between architectures are not used here. */
export const O_RDONLY = 0;
export const O_WRONLY = 0o1;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** `O_DIRECTORY` and `O_NOFOLLOW` have other numbers on arm64 than on x86-64. */
export const O_DIRECTORY = Deno.build.arch === "aarch64" ? 0o40000 : 0o200000;
export const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_IN_ROOT = 0x10;

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;

/** The type of a directory in getdents64(2). */
const DT_DIR = 4;

const F_GETFD = 1;
const F_SETFD = 2;

const READ_CHUNK = 64 * 1024;

/** An open file descriptor that closes itself at the end of its `using` scope. */
export class Fd implements Disposable {
  /** @param number The descriptor's number. */
  constructor(readonly number: number) {}

  [Symbol.dispose](): void {
    syscall("close", this.number);
  }
}

/** What kind of thing a path names. */
export type FileKind = "directory" | "file" | "symlink" | "other";

/** What statx(2) tells of a file. */
export interface FileStatus {
  kind: FileKind;
  /** Permission bits, with set-id and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  /** The device and inode, as one comparable text: the same text is the same file. */
  identity: string;
  /** The mount that the file is in, as mountinfo numbers it. */
  mountId: number;
  /** Whether the file is where that mount begins. */
  isMountRoot: boolean;
}

/**
 * open(2), with `O_CLOEXEC`.
 *
 * @throws {SyscallError}
 */
export function openFile(path: string, flags: number, mode = 0): Fd {
  return new Fd(syscall("openat", AT_FDCWD, path, flags | O_CLOEXEC, mode));
}

/**
 * openat(2), with `O_CLOEXEC`.
 *
 * @throws {SyscallError}
 */
export function openAt(directory: Fd, name: string, flags: number, mode = 0): Fd {
  return new Fd(syscall("openat", directory.number, name, flags | O_CLOEXEC, mode));
}

/**
 * Opens a path as a process would see it whose root is `root`: openat2(2) with `RESOLVE_IN_ROOT`.
 * Absolute links and `..` cannot leave the root; magic links of /proc are refused.
 *
 * @throws {SyscallError}
 */
export function openInRoot(root: Fd, path: string, flags: number): Fd {
  const how = new BigUint64Array([
    BigInt(flags | O_CLOEXEC),
    0n,
    BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS),
  ]);
  return new Fd(syscall("openat2", root.number, path, asBytes(how), how.byteLength));
}

/**
 * What an open descriptor refers to.
 *
 * @throws {SyscallError}
 */
export function statFd(fd: Fd | number): FileStatus {
  const number = typeof fd === "number" ? fd : fd.number;
  return statx(number, "", AT_EMPTY_PATH);
}

/**
 * What a path refers to, links followed.
 *
 * @throws {SyscallError}
 */
export function statPath(path: string): FileStatus {
  return statx(AT_FDCWD, path, 0);
}

/**
 * What a name in a directory is, the link itself if it is one; `undefined` if there is nothing.
 *
 * @throws {SyscallError}
 */
export function lstatAt(directory: Fd, name: string): FileStatus | undefined {
  try {
    return statx(directory.number, name, AT_SYMLINK_NOFOLLOW);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * The text of a symbolic link in a directory.
 *
 * @throws {SyscallError}
 */
export function readLinkAt(directory: Fd | typeof AT_FDCWD, name: string): string {
  const number = directory instanceof Fd ? directory.number : directory;
  const buffer = new Uint8Array(4096);
  const length = syscall("readlinkat", number, name, buffer, buffer.length);
  return new TextDecoder().decode(buffer.subarray(0, length));
}

/** The path of an open descriptor as this process sees it. */
export function pathOf(fd: Fd): string {
  return readLinkAt(AT_FDCWD, `/proc/self/fd/${fd.number}`);
}

/**
 * Everything that a descriptor holds, as UTF-8 text.
 *
 * @param limit The most bytes that are read; a longer file is refused.
 * @throws {SyscallError}
 * @throws {RangeError} when the file is longer than `limit`.
 */
export function readText(fd: Fd, limit: number): string {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (;;) {
    const chunk = new Uint8Array(READ_CHUNK);
    const length = syscall("read", fd.number, chunk, chunk.length);
    if (length === 0) break;
    total += length;
    if (total > limit) throw new RangeError(`longer than ${limit} bytes`);
    chunks.push(chunk.subarray(0, length));
  }
  return new TextDecoder().decode(concatenate(chunks, total));
}

/**
 * A whole file of the kernel's, such as /proc/self/mountinfo, as text.
 *
 * Deno's own reads are no use here: it gives /proc only to programs with every permission.
 *
 * @throws {SyscallError}
 */
export function readKernelFile(path: string): string {
  using fd = openFile(path, O_RDONLY);
  return readText(fd, Infinity);
}

/**
 * Writes the whole text.
 *
 * @throws {SyscallError}
 */
export function writeText(fd: Fd, text: string): void {
  let rest: Bytes = new TextEncoder().encode(text);
  while (rest.length > 0) {
    const written = syscall("write", fd.number, rest, rest.length);
    rest = rest.subarray(written);
  }
}

/**
 * Puts a file in place whole: a reader sees the old one or the new one, never half of it.
 *
 * @throws {SyscallError}
 */
export function replaceFileAt(directory: Fd, name: string, text: string): void {
  const temporary = `.${name}.new`;
  {
    using fd = openAt(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o644);
    writeText(fd, text);
  }
  syscall("renameat2", directory.number, temporary, directory.number, name, 0);
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
 * What is in a directory, without `.` and `..`, by getdents64(2).
 *
 * @throws {SyscallError}
 */
export function listEntries(path: string): DirectoryEntry[] {
  using fd = openFile(path, O_RDONLY | O_DIRECTORY);
  const entries: DirectoryEntry[] = [];
  const buffer = new Uint8Array(32 * 1024);
  for (;;) {
    const length = syscall("getdents64", fd.number, buffer, buffer.length);
    if (length === 0) return entries;
    entries.push(...entriesIn(buffer.subarray(0, length)));
  }
}

/** Whether a number is an open descriptor of this process. */
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
 * Lets a descriptor live on across execve(2).
 *
 * @throws {SyscallError}
 */
export function keepAcrossExec(fd: number): void {
  syscall("fcntl", fd, F_SETFD, 0);
}

/** `struct linux_dirent64`: 8 bytes inode, 8 offset, 2 record length, 1 type, then the name. */
function* entriesIn(records: Uint8Array): Generator<DirectoryEntry> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at < records.length; at += view.getUint16(at + 16, true)) {
    const name = new TextDecoder().decode(records.subarray(at + 19, records.indexOf(0, at + 19)));
    if (name !== "." && name !== "..") yield { name, isDirectory: records[at + 18] === DT_DIR };
  }
}

function statx(directory: number, path: string, flags: number): FileStatus {
  const buffer = new Uint8Array(256);
  syscall("statx", directory, path, flags, STATX_BASIC_STATS | STATX_MNT_ID, buffer);
  return decodeStatx(new DataView(buffer.buffer));
}

/** `struct statx` of linux/stat.h: the offsets are the same on every architecture. */
function decodeStatx(view: DataView): FileStatus {
  const mode = view.getUint16(28, true);
  const device = `${view.getUint32(136, true)}:${view.getUint32(140, true)}`;
  return {
    kind: kindOf(mode),
    mode: mode & 0o7777,
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    identity: `${device}/${view.getBigUint64(32, true)}`,
    mountId: Number(view.getBigUint64(144, true)),
    isMountRoot: (view.getBigUint64(8, true) & STATX_ATTR_MOUNT_ROOT) !== 0n,
  };
}

function kindOf(mode: number): FileKind {
  switch (mode & 0o170000) {
    case 0o040000:
      return "directory";
    case 0o100000:
      return "file";
    case 0o120000:
      return "symlink";
    default:
      return "other";
  }
}

function concatenate(chunks: readonly Uint8Array[], total: number): Uint8Array {
  const all = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
