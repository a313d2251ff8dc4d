/**
 * One stream of a client that is attached to an app: the supervisor's end of a pair of sockets.
 *
 * What the app writes is kept for the client as far as a buffer goes. When that is full, the app is
 * held up for a moment, in which a client that reads has read some of it. One that does not is no
 * longer waited for until it has caught up, and loses what is written meanwhile.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN, POLLOUT } from "../linux/poll.ts";
import { readAvailable, writeShared } from "../linux/stream.ts";
import { OutputQueue } from "./output_mux.ts";

/** How many milliseconds a client whose buffer is full holds the app up. */
export const HOLD_UP = 50;

/** The most bytes of input that one read takes. */
const INPUT_SIZE = 16 * 1024;

/** Which ways a socket is used. */
export interface SocketWays {
  /** Whether the client's bytes are for the app. */
  isInput: boolean;
  /** Whether the app's bytes are for the client. */
  isOutput: boolean;
}

/** A stream of a client. */
export class ClientSocket implements Disposable {
  readonly #socket: Fd;
  readonly #now: () => number;
  readonly #lost: (bytes: number) => void;
  readonly isOutput: boolean;
  readonly #queue = new OutputQueue();
  /** Bytes that were taken from the queue, and are not written yet. */
  #rest: Bytes = new Uint8Array(0);
  /** Since when the app is held up, in milliseconds. */
  #fullSince: number | undefined;
  /** How many bytes the client has lost since it could no longer keep up. */
  #missing = 0;
  /** Whether nobody has the other end open. */
  #isGone = false;
  #hasInput: boolean;
  /** Whether the client has said that its input ends behind what is in the socket. */
  #isEnding = false;

  /**
   * @param socket The supervisor's end.
   * @param now The time, in milliseconds, of a clock that only goes forward.
   * @param lost Called with the number of bytes when a client that has lost some has caught up.
   */
  constructor(
    socket: Fd,
    { isInput, isOutput }: SocketWays,
    now: () => number,
    lost: (bytes: number) => void,
  ) {
    this.#socket = socket;
    this.#hasInput = isInput;
    this.isOutput = isOutput;
    this.#now = now;
    this.#lost = lost;
  }

  /** Whether more output should be read. While not, the app waits. */
  get hasRoom(): boolean {
    return this.#isGone || this.#missing > 0 || this.#queue.hasRoom || this.dueIn === 0;
  }

  /** How many milliseconds the app is still held up; undefined if it is not. */
  get dueIn(): number | undefined {
    if (this.#fullSince === undefined) return undefined;
    return Math.max(0, this.#fullSince + HOLD_UP - this.#now());
  }

  /** Whether output waits to be written. */
  get isWaiting(): boolean {
    return !this.#isGone && (this.#rest.length > 0 || !this.#queue.isEmpty);
  }

  /** Takes output of the app. */
  put(bytes: Bytes): void {
    if (this.#isGone) return;
    if (this.#missing > 0 || !this.#queue.hasRoom) this.#missing += bytes.length;
    else this.#queue.put(bytes);
    this.flush();
  }

  /** Writes what the client takes without waiting. */
  flush(): void {
    while (this.isWaiting) {
      if (this.#rest.length === 0) this.#rest = this.#queue.take();
      const written = this.#write(this.#rest);
      if (written === 0) break;
      this.#rest = this.#rest.subarray(written);
    }
    const isHeldUp = !this.#isGone && this.#missing === 0 && !this.#queue.hasRoom;
    this.#fullSince = isHeldUp ? this.#fullSince ?? this.#now() : undefined;
    if (!this.isWaiting) this.#tellMissing();
  }

  /** Gives up what has not been written. */
  giveUp(): void {
    this.#missing += this.#rest.length + this.#queue.take().length;
    this.#rest = new Uint8Array(0);
    this.#tellMissing();
  }

  /** Lists the events to wait for. */
  interests(isInputWanted: boolean): PollEvents[] {
    const events = (this.isWaiting ? POLLOUT : 0) | (this.#hasInput && isInputWanted ? POLLIN : 0);
    return events === 0 ? [] : [{ fd: this.#socket.number, events }];
  }

  /** Whether one of the descriptors that have events is this socket's. */
  isAmong(fds: ReadonlySet<number>): boolean {
    return fds.has(this.#socket.number);
  }

  /**
   * Reads what the client has sent.
   *
   * @returns `undefined` when there is nothing; `"end"`, once, behind the last byte of an input
   * that the client has ended. A client that goes away has not ended it.
   */
  read(): Bytes | "end" | undefined {
    if (!this.#hasInput) return undefined;
    const bytes = this.#readSome();
    if (bytes !== undefined && bytes.length > 0) return bytes;
    if (bytes !== undefined) this.#hasInput = false;
    if (!this.#isEnding) return undefined;
    this.#hasInput = false;
    this.#isEnding = false;
    return "end";
  }

  /** Whether the end of the client's input has yet to be read. */
  get isEnding(): boolean {
    return this.#isEnding;
  }

  /** Notes that the client's input ends behind what is in the socket by now. */
  endInput(): void {
    this.#isEnding = true;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #readSome(): Bytes | undefined {
    try {
      return readAvailable(this.#socket.number, INPUT_SIZE);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      return new Uint8Array(0);
    }
  }

  #write(bytes: Bytes): number {
    try {
      return writeShared(this.#socket.number, bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#isGone = true;
      return 0;
    }
  }

  #tellMissing(): void {
    if (this.#missing > 0 && !this.#isGone) this.#lost(this.#missing);
    this.#missing = 0;
  }
}
