/**
 * Files by descriptor: opening (also inside a root that may be hostile), reading, making, describing.
 *
 * Paths of stage2 are looked up with openat2(2) and `RESOLVE_IN_ROOT`: links and `..` stay inside.
 *
 * @module
 */

import { concatenate } from "./bytes.ts";
import type { CallScript } from "./call_script.ts";
import { ERRNO, failedWith, SyscallError } from "./errno.ts";
import { asBytes, type Bytes, type Call, syscall } from "./libc.ts";

/** The directory descriptor that stands for the working directory. */
export const AT_FDCWD = -100;

/** Flags of open(2); those that differ between architectures are not used here. */
export const O_RDONLY = 0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_CLOEXEC = 0o2000000;
export const O_PATH = 0o10000000;
/** `O_DIRECTORY` and `O_NOFOLLOW` have other numbers on arm64 than on x86-64. */
export const O_DIRECTORY = Deno.build.arch === "aarch64" ? 0o40000 : 0o200000;
export const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;

const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;

const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;
const AT_STATX_DONT_SYNC = 0x4000;
/** The bits of a file's mode that are its type, and those of devices. */
const S_IFMT = 0o170000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;

/** The type of a directory in getdents64(2). */
const DT_DIR = 4;

/** Of flock(2). */
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

const SEEK_CUR = 1;

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** `F_SEAL_SEAL`, `F_SEAL_SHRINK`, `F_SEAL_GROW` and `F_SEAL_WRITE`. */
const EVERY_SEAL = 0xf;

const F_GETFD = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** The first descriptor that is no program's by custom, and the last that there can be. */
export const FIRST_FD = 3;
export const LAST_FD = 0xffff_ffff;

/** How often a path is looked up before whoever disturbs that is given in to. */
const MOST_LOOK_UPS = 1000;

/** Bytes that are asked for at once: most files that are read are small, and the kernel's own give no more. */
const READ_CHUNK = 4096;

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

/** The number of a device, and which of the two kinds it is of. */
export interface DeviceNumber {
  kind: "character" | "block";
  major: number;
  minor: number;
}

/** What statx(2) tells of a file. */
export interface FileStatus {
  kind: FileKind;
  /** Permission bits, with set-id and sticky bits. */
  mode: number;
  uid: number;
  gid: number;
  /** Bytes. */
  size: number;
  /** The device and inode, as one comparable text: the same text is the same file. */
  identity: string;
  /** The mount that the file is in, as mountinfo numbers it. */
  mountId: number;
  /** Whether the file is where that mount begins. */
  isMountRoot: boolean;
  /** Which device it stands for, if it is a device file. */
  device: DeviceNumber | undefined;
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
  return openAt2(root.number, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/**
 * Opens a path below a directory that leads through no link: openat2(2) with `RESOLVE_BENEATH` and
 * `RESOLVE_NO_SYMLINKS`.
 *
 * @throws {SyscallError} `ELOOP` where there is a link, `EXDEV` where the path leads out.
 */
export function openBeneath(directory: Fd | typeof AT_FDCWD, path: string, flags: number): Fd {
  const number = directory instanceof Fd ? directory.number : directory;
  return openAt2(number, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
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
 * The kind of file system that a file is in, by its magic number: fstatfs(2).
 *
 * @throws {SyscallError}
 */
export function fileSystemType(fd: Fd): number {
  const status = new BigInt64Array(15);
  syscall("fstatfs", fd.number, new Uint8Array(status.buffer));
  return Number(status[0]);
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
 * Which file a path refers to, links followed, in the form of {@linkcode FileStatus.identity}.
 *
 * Whoever serves the file system is not asked, as statx(2) has it with `AT_STATX_DONT_SYNC`: of a file system of somebody
 * else's, who may never answer, the kernel knows that much by itself.
 *
 * @throws {SyscallError}
 */
export function identityAt(path: string): string {
  return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC).identity;
}

/**
 * What a name in a directory is, the link itself if it is one; `undefined` if there is nothing.
 *
 * @throws {SyscallError}
 */
export function lstatAt(directory: Fd | typeof AT_FDCWD, name: string): FileStatus | undefined {
  const number = directory instanceof Fd ? directory.number : directory;
  try {
    return statx(number, name, AT_SYMLINK_NOFOLLOW);
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
  return new TextDecoder().decode(readBytes(fd, limit));
}

/**
 * Everything that a descriptor holds.
 *
 * @param limit The most bytes that are read; a longer file is refused.
 * @throws {SyscallError}
 * @throws {RangeError} when the file is longer than `limit`.
 */
export function readBytes(fd: Fd, limit: number): Bytes {
  const chunks: Bytes[] = [];
  let total = 0;
  for (;;) {
    const chunk = new Uint8Array(READ_CHUNK);
    const length = syscall("read", fd.number, chunk, chunk.length);
    if (length === 0) break;
    total += length;
    if (total > limit) throw new RangeError(`longer than ${limit} bytes`);
    chunks.push(chunk.subarray(0, length));
  }
  return concatenate(chunks);
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
  writeAll(fd, new TextEncoder().encode(text));
}

/**
 * Writes all bytes.
 *
 * @throws {SyscallError}
 */
export function writeAll(fd: Fd, bytes: Bytes): void {
  let rest = bytes;
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
  renameAt(directory, temporary, name);
}

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
export function keepAcrossExec(fd: number, call: Call = syscall): void {
  call("fcntl", fd, F_SETFD, 0);
}

/**
 * Records that a process closes every descriptor but 0 to 2, and one more where it keeps one.
 *
 * @param known All those that it was given: before Linux 5.9 there is no close_range(2).
 */
export function recordCloseAll(known: readonly Fd[], script: CallScript, kept?: Fd): void {
  const ranges = kept === undefined
    ? [[FIRST_FD, LAST_FD]]
    : [[FIRST_FD, kept.number - 1], [kept.number + 1, LAST_FD]];
  for (const { number } of known) {
    if (number >= FIRST_FD && number !== kept?.number) script.try("close", number);
  }
  for (const [first, last] of ranges) {
    if (first! <= last!) script.try("close_range", first!, last!, 0);
  }
}

/**
 * Makes a file that is in memory alone, and goes with its last descriptor: memfd_create(2).
 *
 * @param name What /proc calls it.
 * @throws {SyscallError}
 */
export function makeMemoryFile(name: string): Fd {
  return new Fd(syscall("memfd_create", name, MFD_CLOEXEC));
}

/**
 * Copies a file to one in memory that nobody can write to any more, and opens that for reading and executing.
 *
 * @throws {SyscallError}
 */
export function makeSealedCopy(path: string): Fd {
  using memory = new Fd(syscall("memfd_create", path, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  {
    using file = openFile(path, O_RDONLY);
    writeAll(memory, readBytes(file, Infinity));
  }
  syscall("fcntl", memory.number, F_ADD_SEALS, EVERY_SEAL);
  // What is open for writing cannot be executed.
  return openFile(`/proc/self/fd/${memory.number}`, O_RDONLY);
}

/**
 * Goes back to a file's beginning: lseek(2).
 *
 * @throws {SyscallError}
 */
export function rewind(fd: Fd): void {
  syscall("lseek", fd.number, 0, 0);
}

/**
 * Moves a file's position: lseek(2), `SEEK_CUR`.
 *
 * @throws {SyscallError}
 */
export function seekBy(fd: Fd, bytes: number): void {
  syscall("lseek", fd.number, bytes, SEEK_CUR);
}

/** Both ends of a pipe. */
export interface Pipe {
  readEnd: Fd;
  writeEnd: Fd;
}

/**
 * pipe2(2), with `O_CLOEXEC`.
 *
 * @throws {SyscallError}
 */
export function makePipe(): Pipe {
  const ends = new Int32Array(2);
  syscall("pipe2", asBytes(ends), O_CLOEXEC);
  return { readEnd: new Fd(ends[0]!), writeEnd: new Fd(ends[1]!) };
}

/**
 * Has a descriptor closed at execve(2).
 *
 * @throws {SyscallError}
 */
export function closeAtExec(fd: number, call: Call = syscall): void {
  call("fcntl", fd, F_SETFD, FD_CLOEXEC);
}

/** `struct linux_dirent64`: 8 bytes inode, 8 offset, 2 record length, 1 type, then the name. */
function* entriesIn(records: Uint8Array): Generator<DirectoryEntry> {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  for (let at = 0; at < records.length; at += view.getUint16(at + 16, true)) {
    const name = new TextDecoder().decode(records.subarray(at + 19, records.indexOf(0, at + 19)));
    if (name !== "." && name !== "..") yield { name, isDirectory: records[at + 18] === DT_DIR };
  }
}

/**
 * The kernel cannot vouch for a `..` while anything on the machine is renamed or mounted, and wants to be asked again:
 * openat2(2), `EAGAIN`. Somebody who goes on and on with that can keep it from an answer, but not for ever.
 */
function openAt2(directory: number, path: string, flags: number, resolve: number): Fd {
  const how = new BigUint64Array([BigInt(flags | O_CLOEXEC), 0n, BigInt(resolve)]);
  for (let attempt = 1;; attempt++) {
    try {
      return new Fd(syscall("openat2", directory, path, asBytes(how), how.byteLength));
    } catch (error) {
      if (!failedWith(error, "EAGAIN") || attempt === MOST_LOOK_UPS) throw error;
    }
  }
}

function statx(directory: number, path: string, flags: number): FileStatus {
  const buffer = new Uint8Array(256);
  syscall("statx", directory, path, flags, STATX_BASIC_STATS | STATX_MNT_ID, buffer);
  return decodeStatx(buffer, path);
}

/**
 * Reads what statx(2) has written: `struct statx` of linux/stat.h. The offsets are the same on every architecture.
 *
 * @param path What was asked about.
 * @throws {SyscallError} when the kernel did not tell the mount: before Linux 5.8, a zero stands there, which
 * would pass for one.
 */
export function decodeStatx({ buffer }: Bytes, path: string): FileStatus {
  const view = new DataView(buffer);
  if ((view.getUint32(0, true) & STATX_MNT_ID) === 0) {
    throw new SyscallError("statx", [path], ERRNO.ENOSYS);
  }
  const mode = view.getUint16(28, true);
  const device = `${view.getUint32(136, true)}:${view.getUint32(140, true)}`;
  return {
    kind: kindOf(mode),
    mode: mode & 0o7777,
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    size: Number(view.getBigUint64(40, true)),
    identity: `${device}/${view.getBigUint64(32, true)}`,
    mountId: Number(view.getBigUint64(144, true)),
    isMountRoot: (view.getBigUint64(8, true) & STATX_ATTR_MOUNT_ROOT) !== 0n,
    device: deviceOf(mode, view.getUint32(128, true), view.getUint32(132, true)),
  };
}

function deviceOf(mode: number, major: number, minor: number): DeviceNumber | undefined {
  const type = mode & S_IFMT;
  if (type !== S_IFCHR && type !== S_IFBLK) return undefined;
  return { kind: type === S_IFCHR ? "character" : "block", major, minor };
}

function kindOf(mode: number): FileKind {
  switch (mode & S_IFMT) {
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
