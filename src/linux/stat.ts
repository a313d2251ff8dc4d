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
/** The bits of a file's mode that are its type, and those of devices. */
const S_IFMT = 0o170000;
export const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;

const STATX_BASIC_STATS = 0x7ff;
const STATX_MNT_ID = 0x1000;
const STATX_ATTR_MOUNT_ROOT = 0x2000n;

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
 * Tells whether something is at a path, links followed.
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
