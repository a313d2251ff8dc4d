/**
 * The file that keeps what an app has written, byte by byte. It is below the pod directory, where
 * no app can reach it, and cannot fill the disk.
 *
 * @module
 */

import { makeDirectoryAt, renameAt } from "../linux/directory.ts";
import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import type { Bytes } from "../linux/libc.ts";
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  openAt,
} from "../linux/open.ts";
import { writeAll } from "../linux/read_write.ts";
import { statFd } from "../linux/stat.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

const NEWLINE = 10;

/** Bytes that a log has at the most. There are two of each app: this one and the one before it. */
export const LOG_LIMIT = 16 * 1024 * 1024;

/**
 * Opens the directory of the logs, and makes it if need be.
 *
 * @param podDirectory The pod's.
 * @throws {SyscallError}
 */
export function openLogDirectory(podDirectory: Fd): Fd {
  try {
    makeDirectoryAt(podDirectory, POD_PATHS.logs);
  } catch (error) {
    if (!failedWith(error, "EEXIST")) throw error;
  }
  return openAt(podDirectory, POD_PATHS.logs, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/**
 * Splits what is to be written where a log is full: after the last line that fits, or else, if the
 * log would then be empty, after the last byte.
 *
 * @param bytes What is to be written.
 * @param size Bytes that the log has.
 * @param limit Bytes that it may have.
 * @returns How many bytes go to this log; if not all, the rest goes to the next one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const bytes = new TextEncoder().encode("one\ntwo\n");
 * assertEquals(bytesThatFit(bytes, 92, 100), 8);
 * assertEquals(bytesThatFit(bytes, 93, 100), 4);
 * assertEquals(bytesThatFit(bytes, 98, 100), 0);
 * assertEquals(bytesThatFit(bytes, 0, 2), 2);
 * ```
 */
export function bytesThatFit(bytes: Bytes, size: number, limit: number): number {
  const room = Math.max(0, limit - size);
  if (bytes.length <= room) return bytes.length;
  const lines = room === 0 ? 0 : bytes.lastIndexOf(NEWLINE, room - 1) + 1;
  return lines === 0 && size === 0 ? room : lines;
}

/** One app's log. */
export class AppLog implements Disposable {
  readonly #directory: Fd;
  readonly #name: string;
  readonly #warn: (text: string) => void;
  readonly #limit: number;
  #file: { fd: Fd; size: number } | undefined;
  #hasWarned = false;

  /**
   * @param directory Where logs are.
   * @param app The app's name.
   * @param warn Hears, once, why the log has gaps.
   * @param limit Bytes that the file may have.
   */
  constructor(directory: Fd, app: string, warn: (text: string) => void, limit = LOG_LIMIT) {
    this.#directory = directory;
    this.#name = `${app}.log`;
    this.#warn = warn;
    this.#limit = limit;
  }

  /** Adds to the log. What a full disk does not take is lost, but no reason to stop the app. */
  write(bytes: Bytes): void {
    try {
      this.#writeAll(bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (!this.#hasWarned) this.#warn(`${this.#name} has gaps: ${error.message}`);
      this.#hasWarned = true;
      // How much of it was written is to be seen when the file is opened again.
      this.#close();
    }
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  #close(): void {
    this.#file?.fd[Symbol.dispose]();
    this.#file = undefined;
  }

  #writeAll(bytes: Bytes): void {
    let rest = bytes;
    while (rest.length > 0) {
      const file = this.#file ??= this.#open();
      const length = bytesThatFit(rest, file.size, this.#limit);
      writeAll(file.fd, rest.subarray(0, length));
      file.size += length;
      rest = rest.subarray(length);
      if (rest.length > 0) this.#rotate();
    }
  }

  #open() {
    const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW;
    const fd = openAt(this.#directory, this.#name, flags, 0o640);
    return { fd, size: statFd(fd).size };
  }

  #rotate(): void {
    this.#close();
    renameAt(this.#directory, this.#name, `${this.#name}.1`);
  }
}
