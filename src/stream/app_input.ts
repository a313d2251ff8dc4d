/**
 * What an app reads, from all clients that are attached to it: a pipe, or the app's terminal.
 * Nothing here blocks. While the app does not read, no more is taken from clients.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLOUT } from "../linux/poll.ts";
import { writeAvailable } from "../linux/stream.ts";

/** `^D`, which a terminal takes for the end of input at the beginning of a line. */
const END_OF_INPUT = 4;

/** Bytes that end a line in a terminal: newline and carriage return. */
const ENDS_OF_LINE: readonly (number | undefined)[] = [10, 13];

/** The input of an app's process. */
export class AppInput implements Disposable {
  readonly #target: Fd;
  readonly #isTerminal: boolean;
  #rest: Bytes = new Uint8Array(0);
  /** The last byte that has been put. */
  #last: number | undefined;
  #isEnding = false;
  #isClosed = false;

  /**
   * @param target The write end of a pipe, which is closed here; or the master of a terminal, which
   * is not. Neither waits.
   */
  constructor(target: Fd, isTerminal: boolean) {
    this.#target = target;
    this.#isTerminal = isTerminal;
  }

  /** Whether more should be read of clients. What nobody will read is read, and dropped. */
  get hasRoom(): boolean {
    return this.#rest.length === 0;
  }

  /** Whether it takes no more. A terminal takes more after the end of input, too. */
  get hasEnded(): boolean {
    return !this.#isTerminal && (this.#isEnding || this.#isClosed);
  }

  /** Takes bytes of a client. */
  put(bytes: Bytes): void {
    if (this.#isClosed || this.#isEnding || bytes.length === 0) return;
    this.#rest = concatenate([this.#rest, bytes]);
    this.#last = bytes.at(-1);
    this.flush();
  }

  /**
   * Ends the input: the pipe is closed, or the keys are typed that end input. Behind the beginning
   * of a line, the first of them only ends the line.
   */
  end(): void {
    if (!this.#isTerminal) {
      this.#isEnding = true;
      return this.flush();
    }
    const isLineBegun = this.#last !== undefined && !ENDS_OF_LINE.includes(this.#last);
    this.put(new Uint8Array(isLineBegun ? 2 : 1).fill(END_OF_INPUT));
    this.#last = undefined;
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    if (this.#rest.length === 0 || this.#isClosed) return [];
    return [{ fd: this.#target.number, events: POLLOUT }];
  }

  /** Passes on what the app takes without waiting. */
  flush(): void {
    if (this.#isClosed) return;
    try {
      if (this.#rest.length > 0) {
        this.#rest = this.#rest.subarray(writeAvailable(this.#target.number, this.#rest));
      }
    } catch (error) {
      // Nobody reads any more.
      if (!failedWith(error, "EPIPE", "EIO")) throw error;
      this.#close();
    }
    if (this.#isEnding && this.#rest.length === 0) this.#close();
  }

  [Symbol.dispose](): void {
    this.#close();
  }

  #close(): void {
    this.#rest = new Uint8Array(0);
    if (!this.#isClosed && !this.#isTerminal) this.#target[Symbol.dispose]();
    this.#isClosed = true;
  }
}
