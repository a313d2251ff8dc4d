/**
 * The files of a log: the one that grows, and behind it full ones, the newer the smaller their
 * number.
 *
 * @module
 */

import { renameAt } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";

/** A file that gets another name. */
export interface Renaming {
  from: string;
  to: string;
}

/**
 * Lists what is renamed when a log is full, in this order: what is renamed last is the log itself,
 * and the oldest file is replaced.
 *
 * @param name The name of the log that grows.
 * @param files How many files there may be, that one among them.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(rotation("a.log", 3).map(({ from, to }) => `${from} ${to}`), [
 *   "a.log.1 a.log.2",
 *   "a.log a.log.1",
 * ]);
 * assertEquals(rotation("a.log", 1), []);
 * ```
 */
export function rotation(name: string, files: number): Renaming[] {
  const names = Array.from({ length: files }, (_, i) => i === 0 ? name : `${name}.${i}`);
  return names.slice(1).map((to, i) => ({ from: names[i]!, to })).reverse();
}

/**
 * Renames the files of a log that is full. With a single file there is nothing to rename.
 *
 * @throws {SyscallError} when the directory cannot be changed.
 */
export function rotateFiles(directory: Fd, name: string, files: number): void {
  for (const { from, to } of rotation(name, files)) {
    try {
      renameAt(directory, from, to);
    } catch (error) {
      // There are fewer files yet than there may be.
      if (!failedWith(error, "ENOENT")) throw error;
    }
  }
}
