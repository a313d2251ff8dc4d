/**
 * One output stream of the caller, fed from several queues. The pod goes on however slow the
 * stream's reader is, and also when it has gone.
 *
 * @module
 */

import { type Bytes, concatenate } from "../linux/bytes.ts";
import { SyscallError } from "../linux/errno.ts";
import { type PollEvents, POLLOUT } from "../linux/poll.ts";
import { openSharedOutput, type SharedOutput } from "../linux/stream.ts";

/** The most bytes that one read takes: what a pipe holds. */
export const READ_SIZE = 64 * 1024;

/** The bytes in one queue from which on no more are read for it. */
const QUEUE_LIMIT = 64 * 1024;

/**
 * The bytes that wait in all queues together to which nothing is added any more. Beyond that, the
 * caller has gaps: apps may be started again and again while its reader has stalled.
 */
const RETIRED_LIMIT = 1024 * 1024;

/** The bytes of one source that wait to be written. */
export class OutputQueue {
  #blocks: Bytes[] = [];
  #size = 0;

  /** Whether more should be read. While not, the source's pipe fills up, and then its app waits. */
  get hasRoom(): boolean {
    return this.#size < QUEUE_LIMIT;
  }

  /** How many bytes wait. */
  get size(): number {
    return this.#size;
  }

  /** Whether no byte waits. */
  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Adds bytes, which are never mixed with those of another queue. */
  put(bytes: Bytes): void {
    if (bytes.length === 0) return;
    this.#blocks.push(bytes);
    this.#size += bytes.length;
  }

  /** Removes all bytes that wait, and returns them. */
  take(): Bytes {
    const all = concatenate(this.#blocks);
    this.#blocks = [];
    this.#size = 0;
    return all;
  }
}

/** The stream of the caller. It empties its queues in turn, each as a whole. */
export class OutputMux implements Disposable {
  readonly #output: SharedOutput;
  readonly #warn: (text: string) => void;
  readonly #queues: OutputQueue[] = [];
  /** Those to which nothing is added any more. */
  readonly #retired = new Set<OutputQueue>();
  /** Bytes that were taken from a queue, and are not written yet. */
  #rest: Bytes = new Uint8Array(0);
  #isGone = false;
  /** Whether what a full disk does not take is left out, instead of being the end. */
  readonly #skips: boolean;
  #hasSkipped = false;

  /**
   * @param fd The number of the caller's descriptor.
   * @param warn Called with the reason when nothing more can be written, unless the reader has
   * gone; and once when something is left out.
   * @param whenFull What becomes of bytes for which the disk of the caller's file has no room: they
   * are left out, or they end the stream.
   * @throws {SyscallError} when the descriptor is not open.
   */
  constructor(fd: number, warn: (text: string) => void, whenFull: "skip" | "end") {
    this.#skips = whenFull === "skip";
    this.#output = openSharedOutput(fd);
    this.#warn = warn;
  }

  /** Adds a queue, and returns it. */
  addQueue(): OutputQueue {
    const queue = new OutputQueue();
    this.#queues.push(queue);
    return queue;
  }

  /** Takes note that nothing is added to a queue any more. What is in it is still written. */
  retire(queue: OutputQueue): void {
    const waiting = [...this.#retired].reduce((sum, { size }) => sum + size, queue.size);
    if (waiting > RETIRED_LIMIT) {
      queue.take();
      this.#tellGap("its reader is too slow");
    }
    if (queue.isEmpty) this.#remove(queue);
    else this.#retired.add(queue);
  }

  /** Whether nothing can be written any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether bytes wait to be written. */
  get isWaiting(): boolean {
    return this.#rest.length > 0 || this.#queues.some((queue) => !queue.isEmpty);
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    return this.isWaiting ? [{ fd: this.#output.fd, events: POLLOUT }] : [];
  }

  /** Writes what the stream takes without waiting. */
  flush(): void {
    while (this.isWaiting) {
      if (this.#rest.length === 0) this.#rest = this.#takeNext();
      const written = this.#write(this.#rest);
      if (written === 0) return;
      this.#rest = this.#rest.subarray(written);
    }
  }

  [Symbol.dispose](): void {
    this.#output[Symbol.dispose]();
  }

  /** Empties the first queue that is not empty, and moves it behind the others. */
  #takeNext(): Bytes {
    const queue = this.#queues.find((queue) => !queue.isEmpty)!;
    this.#remove(queue);
    if (!this.#retired.delete(queue)) this.#queues.push(queue);
    return queue.take();
  }

  #remove(queue: OutputQueue): void {
    this.#queues.splice(this.#queues.indexOf(queue), 1);
  }

  #write(bytes: Bytes): number {
    if (this.#isGone) return bytes.length;
    try {
      return this.#output.write(bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      if (this.#skips && error.is("ENOSPC", "EDQUOT", "EFBIG")) return this.#skip(bytes, error);
      this.#isGone = true;
      const readerHasGone = error.is("EPIPE", "ECONNRESET", "EIO");
      if (!readerHasGone) this.#warn(`output is no longer passed on: ${error.message}`);
      return bytes.length;
    }
  }

  #skip({ length }: Bytes, error: SyscallError): number {
    this.#tellGap(error.message);
    return length;
  }

  #tellGap(why: string): void {
    const isFirst = !this.#hasSkipped;
    this.#hasSkipped = true;
    if (isFirst) this.#warn(`output has gaps: ${why}`);
  }
}
