/**
 * Reading and writing whole files.
 *
 * @module
 */

import { type Bytes, concatenate } from "./bytes.ts";
import { renameAt } from "./directory.ts";
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
  while (rest.length > 0) {
    const written = syscall("write", fd.number, rest, rest.length);
    rest = rest.subarray(written);
  }
}

/**
 * Writes a file of a directory as a whole: a reader sees the old text or the new one, never a part.
 *
 * @throws {SyscallError} when the directory cannot be written, or its disk is full.
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
