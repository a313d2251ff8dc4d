/**
 * Opening files by path, also inside a root that may be hostile.
 *
 * Paths of stage2 are looked up with openat2(2) and `RESOLVE_IN_ROOT`: links and `..` stay inside.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { AT_FDCWD, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

/** Flags of open(2). Those that differ between architectures are computed. */
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

const RESOLVE_NO_XDEV = 0x01;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_BENEATH = 0x08;
const RESOLVE_IN_ROOT = 0x10;

/** How often a path is looked up before the disturbance counts as an error. */
const MOST_LOOK_UPS = 1000;

/**
 * Opens a file with `O_CLOEXEC`: open(2).
 *
 * @throws {SyscallError} when the file cannot be opened.
 */
export function openFile(path: string, flags: number, mode = 0): Fd {
  return new Fd(syscall("openat", AT_FDCWD, path, flags | O_CLOEXEC, mode));
}

/**
 * Opens a file by a path of the operator's: openat2(2) with `RESOLVE_NO_MAGICLINKS`. Links are
 * followed, but for the magic ones of /proc (`/proc/self/fd/3`, `/proc/1/root`): these stand for
 * what a process has open, mostly this one, which is not what the operator can have meant.
 *
 * @throws {SyscallError} when the file cannot be opened; `ELOOP` at a magic link.
 */
export function openNamed(path: string, flags: number): Fd {
  return openAt2(AT_FDCWD, path, flags, RESOLVE_NO_MAGICLINKS);
}

/**
 * Opens a file of a directory with `O_CLOEXEC`: openat(2).
 *
 * @throws {SyscallError} when the file cannot be opened.
 */
export function openAt(directory: Fd, name: string, flags: number, mode = 0): Fd {
  return new Fd(syscall("openat", directory.number, name, flags | O_CLOEXEC, mode));
}

/**
 * Opens a path as a process with the root `root` would see it: openat2(2) with `RESOLVE_IN_ROOT`.
 * Absolute links and `..` cannot leave the root; magic links of /proc are refused.
 *
 * @throws {SyscallError} when the file cannot be opened; `ELOOP` at a magic link.
 */
export function openInRoot(root: Fd, path: string, flags: number): Fd {
  return openAt2(root.number, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

/**
 * Opens a regular file of an app's for reading that has been found by its path, and not what has
 * its path by now: that may be a device of the host's. Nobody who has the file open is waited for.
 *
 * Call this while /proc is the host's.
 *
 * @param file The file, open as a path.
 * @throws {SyscallError} when it cannot be opened; `EAGAIN` where somebody has a lease on it.
 */
export function openFound(file: Fd): Fd {
  return openFile(`/proc/self/fd/${file.number}`, O_RDONLY | O_NONBLOCK | O_NOCTTY);
}

/**
 * Opens a path below a directory, and refuses links on the way: openat2(2) with `RESOLVE_BENEATH`
 * and `RESOLVE_NO_SYMLINKS`.
 *
 * @throws {SyscallError} `ELOOP` where there is a link, `EXDEV` where the path leads out.
 */
export function openBeneath(directory: Fd | typeof AT_FDCWD, path: string, flags: number): Fd {
  const number = directory instanceof Fd ? directory.number : directory;
  return openAt2(number, path, flags, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/**
 * Opens a file below a directory whose owner may wish this program ill: openat2(2) with
 * `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS` and `RESOLVE_NO_XDEV`. Neither links nor mounts are
 * entered, so that no file system answers that such a person serves.
 *
 * @param path A path without `..`.
 * @param mode The mode of a file that is made, with `O_CREAT`.
 * @throws {SyscallError} `ELOOP` where there is a link, `EXDEV` where something is mounted; with
 * `O_NONBLOCK` `EAGAIN` where somebody has a lease on the file.
 */
export function openStrictlyBeneath(directory: Fd, path: string, flags: number, mode = 0): Fd {
  const how = howToOpen(flags, mode, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
  return new Fd(syscall("openat2", directory.number, path, how, how.length));
}

/** `struct open_how`. */
function howToOpen(flags: number, mode: number, resolve: number): Bytes {
  return asBytes(new BigUint64Array([BigInt(flags | O_CLOEXEC), BigInt(mode), BigInt(resolve)]));
}

/**
 * While anything on the machine is renamed or mounted, the kernel cannot vouch for a `..`, and
 * wants to be asked again: openat2(2), `EAGAIN`. Somebody who renames files all the time can delay
 * the answer, but not for ever.
 */
function openAt2(directory: number, path: string, flags: number, resolve: number): Fd {
  const how = howToOpen(flags, 0, resolve);
  for (let attempt = 1;; attempt++) {
    try {
      return new Fd(syscall("openat2", directory, path, how, how.length));
    } catch (error) {
      if (!failedWith(error, "EAGAIN") || attempt === MOST_LOOK_UPS) throw error;
    }
  }
}
