/**
 * The kernel's error numbers, by name.
 *
 * The numbers are those of `asm-generic/errno*.h`, which x86-64 and arm64 share.
 *
 * @module
 */

import { quoteText } from "./text.ts";

/** The errors that this project's calls can report: name and number, as in errno(3). */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  EMLINK: 31,
  EPIPE: 32,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ELOOP: 40,
  ENODATA: 61,
  EOVERFLOW: 75,
  ELIBBAD: 80,
  ENOTSOCK: 88,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNRESET: 104,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  ESTALE: 116,
  EDQUOT: 122,
} as const;

/** The name of an error number that this project knows, such as `"ENOENT"`. */
export type Errno = keyof typeof ERRNO;

/** What an error means to the person at the terminal, where its name alone says too little. */
const MEANING: Partial<Record<Errno, string>> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ESRCH: "no such process",
  EIO: "input/output error",
  ECONNREFUSED: "nobody receives there",
  ENOEXEC: "not a program that this machine can run",
  EBADF: "not an open file descriptor",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  EBUSY: "device or resource busy",
  EEXIST: "file exists",
  ENODEV: "no such device, or file system not in this kernel",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  ENFILE: "too many open files on this machine",
  EMFILE: "too many open files",
  ETXTBSY: "file is being written",
  EFBIG: "file too large",
  EMLINK: "too many links",
  ENXIO: "no such device or address",
  ENOSPC: "no space left on device",
  EROFS: "read-only file system",
  ENAMETOOLONG: "name too long",
  ENOSYS: "not in this kernel (Linux 5.8 or later is needed)",
  ELOOP: "too many symbolic links, or a magic link of /proc",
  E2BIG: "arguments and variables take too much room",
  EDQUOT: "disk quota exceeded",
  ELIBBAD: "its interpreter is not one that this machine can run",
};

/** A failed system call: its name, its arguments and the error. */
export class SyscallError extends Error {
  override readonly name = "SyscallError";

  /** The call's name, such as `"mount"`. */
  readonly call: string;

  /** The error number as the kernel gave it. */
  readonly errno: number;

  /**
   * @param call The call's name.
   * @param args Its arguments; those that are text become part of the message.
   * @param errno The error number.
   * @param description The call in words, where its name and arguments say too little.
   */
  constructor(
    call: string,
    args: readonly unknown[],
    errno: number,
    description: string = describeCall(call, args),
  ) {
    super(`${description}: ${describeErrno(errno)}`);
    this.call = call;
    this.errno = errno;
  }

  /** Whether the kernel gave one of these errors. */
  is(...names: Errno[]): boolean {
    return names.some((name) => ERRNO[name] === this.errno);
  }
}

/**
 * Describes a system call in words: its name, and the arguments that tell a person something.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(describeCall("openat", [-100, "/etc", 0]), 'openat("/etc")');
 * ```
 */
export function describeCall(call: string, args: readonly unknown[]): string {
  return `${call}(${args.filter(isText).map(quoteText).join(", ")})`;
}

/**
 * Describes an error number in words.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(describeErrno(2), "ENOENT, no such file or directory");
 * assertEquals(describeErrno(4095), "error 4095");
 * ```
 */
export function describeErrno(errno: number): string {
  const name = nameOf(errno);
  if (name === undefined) return `error ${errno}`;
  const meaning = MEANING[name];
  return meaning === undefined ? name : `${name}, ${meaning}`;
}

/** Checks whether `error` is a failed system call with one of these errors. */
export function failedWith(error: unknown, ...names: Errno[]): error is SyscallError {
  return error instanceof SyscallError && error.is(...names);
}

/** Paths and names tell a person something; flags, addresses and descriptors do not. */
function isText(argument: unknown): argument is string {
  return typeof argument === "string" && argument !== "";
}

/** A search, not a table: most starts look up no error, and none looks up many. */
function nameOf(errno: number): Errno | undefined {
  for (const name in ERRNO) {
    if (ERRNO[name as Errno] === errno) return name as Errno;
  }
  return undefined;
}
