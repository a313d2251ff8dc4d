/**
 * The log of an app: files with what the app has written. They lie below the pod directory, where
 * no app can reach them, and are bounded, so that no app fills the disk.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { makeDirectoryAt, unlessThere } from "../linux/directory.ts";
import { SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_TRUNC,
  O_WRONLY,
  openAt,
} from "../linux/open.ts";
import { setLength, writeAll, writeOnce } from "../linux/read_write.ts";
import { statFd } from "../linux/stat.ts";
import type { LogPlan } from "../plan/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { NEWLINE } from "./line_splitter.ts";
import { LogGap } from "./log_gap.ts";
import { rotateFiles } from "./log_rotation.ts";

/**
 * Opens the directory of the logs, and makes it if it is missing.
 *
 * @throws {SyscallError} when it cannot be made, or when something else has its name.
 */
export function openLogDirectory(podDirectory: Fd): Fd {
  unlessThere(() => makeDirectoryAt(podDirectory, POD_PATHS.logs));
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
  readonly #plan: LogPlan;
  #file: { fd: Fd; size: number } | undefined;
  #hasWarned = false;
  readonly #gap: LogGap;
  /** The last byte in the log, if it is known. */
  #last: number | undefined;

  /**
   * @param directory The directory of the logs.
   * @param app The app's name.
   * @param warn Called once, with the reason, when the log has gaps.
   * @param plan What is in it, and how much is kept.
   */
  constructor(directory: Fd, app: string, warn: (text: string) => void, plan: LogPlan) {
    this.#directory = directory;
    this.#name = `${app}.log`;
    this.#warn = warn;
    this.#plan = plan;
    this.#gap = new LogGap(plan.format);
  }

  /**
   * Adds to the log. Bytes that a full disk does not take are lost: the app goes on. The log says
   * where they are missing, as soon as it can be written again.
   */
  write(bytes: Bytes): void {
    let rest = bytes;
    try {
      this.#tellGap();
      while (rest.length > 0) rest = rest.subarray(this.#writeSome(rest));
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (!this.#hasWarned) this.#warn(`${this.#name} has gaps: ${error.message}`);
      this.#hasWarned = true;
      this.#gap.add(rest.length + this.#cutRecord(bytes, rest), error);
      // Where the file is, the cause may be: it is looked up again.
      this.#close();
    }
  }

  /**
   * Takes back what has been written of a record whose rest is missing. Other bytes may be parted
   * anywhere.
   *
   * @returns How many bytes are taken back.
   */
  #cutRecord(bytes: Bytes, rest: Bytes): number {
    const written = bytes.subarray(0, bytes.length - rest.length);
    const length = written.length - (written.lastIndexOf(NEWLINE) + 1);
    if (this.#plan.format === "raw" || length === 0 || !this.#file) return 0;
    try {
      setLength(this.#file.fd, this.#file.size - length);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return 0;
    }
    this.#last = NEWLINE;
    return length;
  }

  [Symbol.dispose](): void {
    try {
      this.#tellGap();
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
    }
    this.#close();
  }

  /** A line that has room only in part is taken back. */
  #tellGap(): void {
    if (!this.#gap.isOpen) return;
    const file = this.#file ??= this.#open();
    const line = this.#gap.line(this.#last);
    try {
      writeAll(file.fd, line);
    } catch (error) {
      setLength(file.fd, file.size);
      throw error;
    }
    file.size += line.length;
    this.#last = NEWLINE;
    this.#gap.close();
  }

  #close(): void {
    this.#file?.fd[Symbol.dispose]();
    this.#file = undefined;
  }

  /** Writes what the file takes, and begins another file when it takes nothing more. */
  #writeSome(bytes: Bytes): number {
    const file = this.#file ??= this.#open();
    const fitting = bytes.subarray(0, bytesThatFit(bytes, file.size, this.#plan.size));
    if (fitting.length === 0) {
      this.#rotate();
      return 0;
    }
    const written = writeOnce(file.fd, fitting);
    file.size += written;
    this.#last = fitting[written - 1];
    return written;
  }

  #open(more = 0) {
    const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | more;
    const fd = openAt(this.#directory, this.#name, flags, 0o640);
    const { size } = statFd(fd);
    if (size === 0) this.#last = NEWLINE;
    return { fd, size };
  }

  #rotate(): void {
    this.#close();
    rotateFiles(this.#directory, this.#name, this.#plan.files);
    // A log of a single file begins anew.
    if (this.#plan.files === 1) this.#file = this.#open(O_TRUNC);
  }
}
