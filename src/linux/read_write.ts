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

const SEEK_CUR = 1;

/** Bytes that are asked for at once: most files that are read are small, and the kernel's own give no more. */
const READ_CHUNK = 4096;

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
