/**
 * The log of an app: a file with every byte that the app has written. It lies below the pod
 * directory, where no app can reach it, and is bounded, so that no app fills the disk.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { makeDirectoryAt, renameAt } from "../linux/directory.ts";
import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
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
import { NEWLINE } from "./line_splitter.ts";

/** The most bytes that a log has. An app has at most two: the current one and the one before it. */
const LOG_LIMIT = 16 * 1024 * 1024;

/**
 * Opens the directory of the logs, and makes it if it is missing.
 *
 * @throws {SyscallError} when it cannot be made, or when something else has its name.
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
 * Counts the bytes that still fit into a log. The cut is after the last line that fits; an empty
 * log into which no line fits takes as many bytes as it may have.
 *
 * @param bytes The bytes to write.
 * @param size The bytes that the log has.
 * @param limit The bytes that it may have.
 * @returns How many of `bytes` go to this log. The others go to the next one.
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

/** The log of one app. */
export class AppLog implements Disposable {
  readonly #directory: Fd;
  readonly #name: string;
  readonly #warn: (text: string) => void;
  readonly #limit: number;
  #file: { fd: Fd; size: number } | undefined;
  #hasWarned = false;

  /**
   * @param directory The directory of the logs.
   * @param app The app's name.
   * @param warn Called once, with the reason, when the log has gaps.
   * @param limit The most bytes that the file may have.
   */
  constructor(directory: Fd, app: string, warn: (text: string) => void, limit = LOG_LIMIT) {
    this.#directory = directory;
    this.#name = `${app}.log`;
    this.#warn = warn;
    this.#limit = limit;
  }

  /** Adds to the log. Bytes that a full disk does not take are lost: the app goes on. */
  write(bytes: Bytes): void {
    try {
      this.#writeAll(bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (!this.#hasWarned) this.#warn(`${this.#name} has gaps: ${error.message}`);
      this.#hasWarned = true;
      // How many bytes were written is unknown: opening the file again asks for its size.
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
