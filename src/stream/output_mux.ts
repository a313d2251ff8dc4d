/**
 * A stream of the caller's that several others lead to. Whatever becomes of it, and however slow
 * its reader is, the pod goes on.
 *
 * @module
 */

import { concatenate } from "../linux/bytes.ts";
import { SyscallError } from "../linux/errno.ts";
import type { Bytes } from "../linux/libc.ts";
import { type PollEvents, POLLOUT } from "../linux/poll.ts";
import { openSharedOutput, type SharedOutput } from "../linux/stream.ts";

/** Bytes that one read takes at the most: what a pipe holds. */
export const READ_SIZE = 64 * 1024;

/** Bytes that wait in one queue before no more are read for it. */
const QUEUE_LIMIT = 64 * 1024;

/** What waits to be written, of one source. */
export class OutputQueue {
  #blocks: Bytes[] = [];
  #size = 0;

  /** Whether more should be read. While it is not, the pipe fills up, and then its app waits. */
  get hasRoom(): boolean {
    return this.#size < QUEUE_LIMIT;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** Adds bytes that belong together. */
  put(bytes: Bytes): void {
    if (bytes.length === 0) return;
    this.#blocks.push(bytes);
    this.#size += bytes.length;
  }

  /** Takes all that waits. */
  take(): Bytes {
    const all = concatenate(this.#blocks);
    this.#blocks = [];
    this.#size = 0;
    return all;
  }
}

/**
 * The caller's stream: it takes from its queues in turn, and never a part of what belongs together.
 */
export class OutputMux implements Disposable {
  readonly #output: SharedOutput;
  readonly #warn: (text: string) => void;
  readonly #queues: OutputQueue[] = [];
  /** What has been taken, and not yet written. */
  #rest: Bytes = new Uint8Array(0);
  #isGone = false;

  /**
   * @param fd The caller's descriptor.
   * @param warn Hears why nothing more is written, if it is not that the reader has gone.
   * @throws {SyscallError}
   */
  constructor(fd: number, warn: (text: string) => void) {
    this.#output = openSharedOutput(fd);
    this.#warn = warn;
  }

  /** Adds something to take from. */
  addQueue(): OutputQueue {
    const queue = new OutputQueue();
    this.#queues.push(queue);
    return queue;
  }

  /** Whether nobody takes anything any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether something is to be written. */
  get isWaiting(): boolean {
    return this.#rest.length > 0 || this.#queues.some((queue) => !queue.isEmpty);
  }

  /** What to wait for. */
  interests(): PollEvents[] {
    return this.isWaiting ? [{ fd: this.#output.fd, events: POLLOUT }] : [];
  }

  /** Writes what can be written now. */
  flush(): void {
    while (this.isWaiting) {
      if (this.#rest.length === 0) this.#rest = this.#nextQueue().take();
      const written = this.#write(this.#rest);
      if (written === 0) return;
      this.#rest = this.#rest.subarray(written);
    }
  }

  [Symbol.dispose](): void {
    this.#output[Symbol.dispose]();
  }

  /** The first that has something goes to the end of the row. */
  #nextQueue(): OutputQueue {
    const [queue] = this.#queues.splice(this.#queues.findIndex((queue) => !queue.isEmpty), 1);
    this.#queues.push(queue!);
    return queue!;
  }

  #write(bytes: Bytes): number {
    if (this.#isGone) return bytes.length;
    try {
      return this.#output.write(bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#isGone = true;
      const readerHasGone = error.is("EPIPE", "ECONNRESET", "EIO");
      if (!readerHasGone) this.#warn(`output is no longer passed on: ${error.message}`);
      return bytes.length;
    }
  }
}
