/**
 * What a file is: statx(2) and fstatfs(2).
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";
import { ERRNO, failedWith, SyscallError } from "./errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

const AT_STATX_DONT_SYNC = 0x4000;
/** The bits of a file's mode that are its type, and the types of devices. */
const S_IFMT = 0o170000;
export const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

/** A mount that nothing is executed from: statfs(2). */
const ST_NOEXEC = 8n;
/** Where `struct statfs` has the mount's flags, in words. */
const FLAGS_WORD = 10;
/** The file systems of pipes and of sockets, whose files have no paths: `linux/magic.h`. */
export const PIPEFS_MAGIC = 0x5049_5045;
export const SOCKFS_MAGIC = 0x534f_434b;

const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;

/** The kind of thing at a path. */
export type FileKind = "directory" | "file" | "symlink" | "other";

/** A device's number, and its kind. */
export interface DeviceNumber {
  kind: "character" | "block";
  major: number;
  minor: number;
}

/** What statx(2) tells of a file. */
export interface FileStatus {
  kind: FileKind;
  /** Permission bits, with the set-id bits and the sticky bit. */
  mode: number;
  uid: number;
  gid: number;
  /** How many names it has. */
  links: number;
  /** Bytes. */
  size: number;
  /** The device and the inode as one text: two files with the same text are the same file. */
  identity: string;
  /** The mount that the file is in, by its number in mountinfo. */
  mountId: number;
  /** Whether the file is the root of that mount. */
  isMountRoot: boolean;
  /** The device that it stands for, if it is a device file. */
  device: DeviceNumber | undefined;
}

/**
 * Returns the status of what an open descriptor refers to.
 *
 * @throws {SyscallError} `EBADF` when it is not open.
 */
export function statFd(fd: Fd | number): FileStatus {
  const number = typeof fd === "number" ? fd : fd.number;
  return statx(number, "", AT_EMPTY_PATH);
}

/**
 * Returns the magic number of the file system that a file is in: fstatfs(2).
 *
 * @throws {SyscallError} `EBADF` when it is not open.
 */
export function fileSystemType(fd: Fd): number {
  return Number(statFileSystem(fd)[0]);
}

/**
 * Tells whether the mount that a file is in is one that nothing is executed from (`noexec`).
 *
 * @throws {SyscallError} `EBADF` when the descriptor is not open.
 */
export function isMountedNoexec(fd: Fd): boolean {
  return (statFileSystem(fd)[FLAGS_WORD]! & ST_NOEXEC) !== 0n;
}

/** Returns the words of `struct statfs`. */
function statFileSystem(fd: Fd): BigInt64Array {
  const status = new BigInt64Array(15);
  syscall("fstatfs", fd.number, new Uint8Array(status.buffer));
  return status;
}

/**
 * Returns the status of what a path refers to. Links are followed.
 *
 * @throws {SyscallError} `ENOENT` when nothing is there, or when the path cannot be walked.
 */
export function statPath(path: string): FileStatus {
  return statx(AT_FDCWD, path, 0);
}

/**
 * Tells whether something is at a path. Links are followed.
 *
 * @throws {SyscallError} when the path cannot be walked.
 */
export function exists(path: string): boolean {
  try {
    statPath(path);
    return true;
  } catch (error) {
    if (failedWith(error, "ENOENT")) return false;
    throw error;
  }
}

/**
 * Returns the identity of the file that a path refers to, in the form of {@linkcode
 * FileStatus.identity}. Links are followed.
 *
 * The server of the file system is not asked (`AT_STATX_DONT_SYNC`): the server of somebody else's
 * file system may never answer, and the kernel knows the identity without it.
 *
 * @throws {SyscallError} `ENOENT` when nothing is there, or when the path cannot be walked.
 */
export function identityAt(path: string): string {
  return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC).identity;
}

/**
 * Returns the status of what has a name in a directory. A link is not followed.
 *
 * @returns `undefined` when there is nothing of this name.
 * @throws {SyscallError} when the kernel refuses a look.
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

function statx(directory: number, path: string, flags: number): FileStatus {
  const buffer = new Uint8Array(256);
  syscall("statx", directory, path, flags, STATX_BASIC_STATS | STATX_MNT_ID, buffer);
  return decodeStatx(buffer, path);
}

/**
 * Decodes what statx(2) wrote: `struct statx` of linux/stat.h. The offsets are the same on every
 * architecture.
 *
 * @param path The path that was asked about.
 * @throws {SyscallError} when the kernel did not return the mount's number. Before Linux 5.8 there
 * is a zero in its place, which could be taken for one.
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
    links: view.getUint32(16, true),
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
