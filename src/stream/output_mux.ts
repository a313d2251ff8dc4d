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

/** Bytes that wait in one feed before no more are read for it. */
const FEED_LIMIT = 64 * 1024;

/** What waits to be written, of one source. */
export class Feed {
  #blocks: Bytes[] = [];
  #size = 0;

  /** Whether more should be read. While it is not, the pipe fills up, and then its app waits. */
  get hasRoom(): boolean {
    return this.#size < FEED_LIMIT;
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
 * The caller's stream: it takes from its feeds in turn, and never a part of what belongs together.
 */
export class Sink implements Disposable {
  readonly #output: SharedOutput;
  readonly #complain: (text: string) => void;
  readonly #feeds: Feed[] = [];
  /** What has been taken, and not yet written. */
  #rest: Bytes = new Uint8Array(0);
  #isGone = false;

  /**
   * @param fd The caller's descriptor.
   * @param complain Hears why nothing more is written, if it is not that the reader has gone.
   * @throws {SyscallError}
   */
  constructor(fd: number, complain: (text: string) => void) {
    this.#output = openSharedOutput(fd);
    this.#complain = complain;
  }

  /** Adds something to take from. */
  addFeed(): Feed {
    const feed = new Feed();
    this.#feeds.push(feed);
    return feed;
  }

  /** Whether nobody takes anything any more. */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** Whether something is to be written. */
  get isWaiting(): boolean {
    return this.#rest.length > 0 || this.#feeds.some((feed) => !feed.isEmpty);
  }

  /** What to wait for. */
  interests(): PollEvents[] {
    return this.isWaiting ? [{ fd: this.#output.fd, events: POLLOUT }] : [];
  }

  /** Writes what can be written now. */
  flush(): void {
    while (this.isWaiting) {
      if (this.#rest.length === 0) this.#rest = this.#nextFeed().take();
      const written = this.#write(this.#rest);
      if (written === 0) return;
      this.#rest = this.#rest.subarray(written);
    }
  }

  [Symbol.dispose](): void {
    this.#output[Symbol.dispose]();
  }

  /** The first that has something goes to the end of the row. */
  #nextFeed(): Feed {
    const [feed] = this.#feeds.splice(this.#feeds.findIndex((feed) => !feed.isEmpty), 1);
    this.#feeds.push(feed!);
    return feed!;
  }

  #write(bytes: Bytes): number {
    if (this.#isGone) return bytes.length;
    try {
      return this.#output.write(bytes);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      this.#isGone = true;
      const readerHasGone = error.is("EPIPE", "ECONNRESET", "EIO");
      if (!readerHasGone) this.#complain(`output is no longer passed on: ${error.message}`);
      return bytes.length;
    }
  }
}
