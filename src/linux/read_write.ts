/**
 * Reading and writing whole files.
 *
 * @module
 */

import { type Bytes, concatenate } from "./bytes.ts";
import { exchangeAt, renameAt } from "./directory.ts";
import { failedWith, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_CREAT, O_NOFOLLOW, O_RDONLY, O_TRUNC, O_WRONLY, openAt, openFile } from "./open.ts";
import { decodeText, encodeText } from "./text.ts";

const SEEK_CUR = 1;

/**
 * Bytes that are read at once: most files are small, and a read of the kernel's own files returns
 * no more.
 */
const READ_CHUNK = 4096;

/**
 * Reads everything that a descriptor holds, as text: see `text.ts`.
 *
 * @param limit The most bytes that are read; a longer file is refused.
 * @throws {SyscallError} when the descriptor cannot be read.
 * @throws {RangeError} when the file is longer than `limit`.
 */
export function readText(fd: Fd, limit: number): string {
  return decodeText(readBytes(fd, limit));
}

/**
 * Reads everything that a descriptor holds.
 *
 * @param limit The most bytes that are read; a longer file is refused.
 * @throws {SyscallError} when the descriptor cannot be read.
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
 * Reads a part of a regular file: pread(2).
 *
 * @returns Fewer bytes than `length` at the file's end.
 * @throws {SyscallError} when the descriptor cannot be read.
 */
export function readAt(fd: Fd, offset: number, length: number): Bytes {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, syscall("pread64", fd.number, bytes, length, offset));
}

/**
 * Reads a whole file of the kernel's, such as /proc/self/mountinfo, as text.
 *
 * Deno's own reads are no use here: Deno opens files of /proc only for programs with every
 * permission.
 *
 * @throws {SyscallError} when the file cannot be opened or read.
 */
export function readKernelFile(path: string): string {
  using fd = openFile(path, O_RDONLY);
  return readText(fd, Infinity);
}

/**
 * Writes a whole text.
 *
 * @throws {SyscallError} when the descriptor cannot be written.
 */
export function writeText(fd: Fd, text: string): void {
  writeAll(fd, encodeText(text));
}

/**
 * Writes all bytes, in as many calls as that takes.
 *
 * @throws {SyscallError} when the descriptor cannot be written.
 */
export function writeAll(fd: Fd, bytes: Bytes): void {
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(writeOnce(fd, rest));
}

/**
 * Writes bytes by one call: write(2).
 *
 * @returns How many bytes were written: fewer where a disk has no more room.
 * @throws {SyscallError} when the descriptor cannot be written.
 */
export function writeOnce(fd: Fd, bytes: Bytes): number {
  return syscall("write", fd.number, bytes, bytes.length);
}

/**
 * Writes a file of a directory as a whole: a reader sees the old text or the new one, never a part.
 *
 * @throws {SyscallError} when the directory cannot be written, or its disk is full.
 */
export function replaceFileAt(directory: Fd, name: string, text: string): void {
  prepareFileAt(directory, name, text);
  placeFileAt(directory, name);
}

/**
 * Writes a file that has its name only once {@linkcode placeFileAt} gives it the name. The space
 * that it needs is taken now: a disk that is full later takes it as well.
 *
 * @throws {SyscallError} when the directory cannot be written, or its disk is full.
 */
export function prepareFileAt(directory: Fd, name: string, text: string): void {
  const flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW;
  using fd = openAt(directory, preparedName(name), flags, 0o644);
  writeNamed(fd, name, encodeText(text));
}

/**
 * Writes another text to a prepared file, in the place of the first one. Where that is at least as
 * long, this takes no space, but on file systems that never write to the same place, such as btrfs.
 * A file that is not there is made.
 *
 * @throws {SyscallError} when the file cannot be written.
 */
export function rewritePreparedFileAt(directory: Fd, name: string, text: string): void {
  using fd = openAt(directory, preparedName(name), O_WRONLY | O_CREAT | O_NOFOLLOW, 0o644);
  const bytes = encodeText(text);
  writeNamed(fd, name, bytes);
  setLength(fd, bytes.length);
}

/** An error of write(2) alone would name no file. */
function writeNamed(fd: Fd, name: string, bytes: Bytes): void {
  try {
    writeAll(fd, bytes);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    throw new SyscallError(error.call, [name], error.errno);
  }
}

/**
 * Gives a prepared file its name, in the place of what has the name.
 *
 * @throws {SyscallError} when it is not there, or the directory cannot be changed.
 */
export function placeFileAt(directory: Fd, name: string): void {
  renameAt(directory, preparedName(name), name);
}

/**
 * Gives a prepared file its name. What had the name is the prepared file then, where the file
 * system can exchange the two; else it is gone.
 *
 * @throws {SyscallError} when one of them is not there, or the directory cannot be changed.
 */
export function exchangeFileAt(directory: Fd, name: string): void {
  try {
    exchangeAt(directory, preparedName(name), name);
  } catch (error) {
    if (!failedWith(error, "EINVAL")) throw error;
    placeFileAt(directory, name);
  }
}

/**
 * Returns the name that a file has while it is prepared.
 *
 * @param path The file's name, also behind directories.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(preparedName("pid"), ".pid.new");
 * assertEquals(preparedName("rkt/status/web"), "rkt/status/.web.new");
 * ```
 */
export function preparedName(path: string): string {
  const nameAt = path.lastIndexOf("/") + 1;
  return `${path.slice(0, nameAt)}.${path.slice(nameAt)}.new`;
}

/**
 * Cuts a file off: ftruncate(2).
 *
 * @throws {SyscallError} when the descriptor is not open for writing.
 */
export function setLength(fd: Fd, bytes: number): void {
  syscall("ftruncate", fd.number, bytes);
}

/**
 * Goes back to the beginning of a file: lseek(2).
 *
 * @throws {SyscallError} when the descriptor has no position.
 */
export function rewind(fd: Fd): void {
  syscall("lseek", fd.number, 0, 0);
}

/**
 * Moves the position in a file: lseek(2), `SEEK_CUR`.
 *
 * @throws {SyscallError} when the descriptor has no position, or the new one would be negative.
 */
export function seekBy(fd: Fd, bytes: number): void {
  syscall("lseek", fd.number, bytes, SEEK_CUR);
}
