/**
 * The log of an app: a file that grows with what the app has written, at a place that no app can
 * reach.
 *
 * Others may move the file away or remove it, to rotate logs by rules of their own, or cut it off:
 * nobody tells this program. So it looks, before it writes, whether its file still has its name.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { monotonicMilliseconds } from "../linux/clock.ts";
import { SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_TRUNC } from "../linux/open.ts";
import { setLength, writeOnce } from "../linux/read_write.ts";
import { statFd } from "../linux/stat.ts";
import type { LineFormat } from "./line_records.ts";
import { NEWLINE } from "./line_splitter.ts";
import { LogGap } from "./log_gap.ts";

/** Where the file of a log is, and what is in it. */
export interface LogPlace {
  /** What people call it. */
  readonly name: string;
  readonly format: LineFormat;
  /** The most bytes of the file; `Infinity` where somebody else bounds it. */
  readonly size: number;
  /**
   * Opens the file to add to it, and makes it if it is missing.
   *
   * @param more Flags besides.
   * @throws {SyscallError} when it cannot be opened.
   */
  open(more: number): Fd;
  /**
   * Looks at what has the file's name now.
   *
   * @returns Its identity, in the form of `FileStatus.identity`; `undefined` if there is none.
   * @throws {SyscallError} when the kernel refuses a look.
   */
  identity(): string | undefined;
  /**
   * Makes way for another file, as this one is full.
   *
   * @returns Whether the file is to be emptied, because it is kept.
   * @throws {SyscallError} when the directory cannot be changed.
   */
  rotate(): boolean;
}

/** How often, in milliseconds, the log looks whether its file has been moved away. */
const LOOK_INTERVAL = 1000;

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

/** A file of a log that is open. */
interface OpenFile {
  fd: Fd;
  /** What is known of its size: whoever shortens the file does not say so. */
  size: number;
  identity: string;
}

/** The log of one app. */
export class AppLog implements Disposable {
  readonly #place: LogPlace;
  readonly #warn: (text: string) => void;
  readonly #now: () => number;
  #file: OpenFile | undefined;
  /** When the file is looked for again, on the clock. */
  #nextLook = 0;
  #hasWarned = false;
  readonly #gap: LogGap;
  /** The last byte in the log, if it is known. */
  #last: number | undefined;

  /**
   * @param place Where it is, and what is in it.
   * @param warn Called once, with the reason, when the log has gaps.
   * @param now The clock, in milliseconds.
   */
  constructor(place: LogPlace, warn: (text: string) => void, now = monotonicMilliseconds) {
    this.#place = place;
    this.#warn = warn;
    this.#now = now;
    this.#gap = new LogGap(place.format);
  }

  get format(): LineFormat {
    return this.#place.format;
  }

  /**
   * Opens the file before there is something to write.
   *
   * @throws {SyscallError} when it cannot be opened for another reason than a full disk.
   */
  open(): void {
    try {
      this.#file ??= this.#open();
    } catch (error) {
      if (!(error instanceof SyscallError && error.is("ENOSPC", "EDQUOT"))) throw error;
    }
  }

  /** Has the next write look for the file, however short ago that was: its app starts again. */
  appStarts(): void {
    this.#nextLook = 0;
  }

  /**
   * Adds to the log. Bytes that a full disk does not take are lost: the app goes on. The log says
   * where they are missing, as soon as it can be written again.
   *
   * Whole lines that are passed at once are all in the same file, unless it gets full.
   */
  write(bytes: Bytes): void {
    let rest = bytes;
    try {
      if (this.#now() >= this.#nextLook) this.#look();
      this.#tellGap();
      while (rest.length > 0) rest = rest.subarray(this.#writeSome(rest));
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (!this.#hasWarned) this.#warn(`${this.#place.name} has gaps: ${error.message}`);
      this.#hasWarned = true;
      this.#gap.add(rest.length + this.#cutRecord(bytes, rest), error);
      // Where the file is, the cause may be: it is looked up again.
      this.#close();
    }
  }

  /**
   * Closes a file that has lost its name. What was written to it is there for whoever has moved it.
   */
  #look(): void {
    this.#nextLook = this.#now() + LOOK_INTERVAL;
    if (!this.#file) return;
    const { size } = statFd(this.#file.fd);
    this.#file.size = size;
    if (size === 0) this.#last = NEWLINE;
    if (this.#place.identity() !== this.#file.identity) this.#close();
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
    if (this.#place.format === "raw" || length === 0 || !this.#file) return 0;
    try {
      if (!takeBack(this.#file, length)) return 0;
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
    const { size } = file;
    try {
      for (let rest = line; rest.length > 0; rest = rest.subarray(add(file, rest)));
    } catch (error) {
      takeBack(file, file.size - size);
      throw error;
    }
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
    const fitting = bytes.subarray(0, bytesThatFit(bytes, file.size, this.#place.size));
    if (fitting.length === 0) {
      this.#rotate();
      return 0;
    }
    const written = add(file, fitting);
    this.#last = fitting[written - 1];
    return written;
  }

  #open(more = 0): OpenFile {
    const fd = this.#place.open(more);
    const { size, identity } = statFd(fd);
    if (size === 0) this.#last = NEWLINE;
    return { fd, size, identity };
  }

  #rotate(): void {
    this.#close();
    if (this.#place.rotate()) this.#file = this.#open(O_TRUNC);
  }
}

/** @returns How many bytes were written. */
function add(file: OpenFile, bytes: Bytes): number {
  const written = writeOnce(file.fd, bytes);
  file.size += written;
  return written;
}

/**
 * Takes back the last bytes of a file, unless somebody else has changed its size meanwhile.
 *
 * @throws {SyscallError} when the file cannot be cut off.
 */
function takeBack(file: OpenFile, length: number): boolean {
  if (statFd(file.fd).size !== file.size) return false;
  setLength(file.fd, file.size - length);
  file.size -= length;
  return true;
}
