/**
 * What an app sends to /dev/log, by syslog(3).
 *
 * @module
 */

import { hasFilesAttached, refuseDatagrams } from "../linux/datagram.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN } from "../linux/poll.ts";
import { readAvailable } from "../linux/stream.ts";
import type { SyslogFeed } from "./log_feed.ts";
import { parseMessage } from "./syslog_message.ts";

/** The most bytes of a message. What goes beyond is cut off. */
const MESSAGE_LIMIT = 64 * 1024;

/**
 * The most messages that are read before something else has its turn, and their bytes, but for the
 * last message: each byte may become a line.
 */
const MOST_AT_ONCE = { messages: 64, bytes: 64 * 1024 };

/**
 * The /dev/log of an app.
 *
 * A message with files attached is never read. Whoever reads it, or closes the socket, closes them,
 * and who closes a connection last may have to wait as long as its owner wants: `SO_LINGER` of
 * socket(7). So what is sent behind such a message is refused, and the socket is left to the end of
 * a process: one that ends does not wait.
 */
export class SyslogReader {
  readonly #socket: Fd;
  readonly #feed: SyslogFeed | undefined;
  readonly #warn: (text: string) => void;
  #isRefused = false;

  /**
   * @param socket A socket of datagrams that does not wait.
   * @param feed What takes the messages; undefined if nothing does.
   * @param warn Called with the reason when nothing more is read.
   */
  constructor(socket: Fd, feed: SyslogFeed | undefined, warn: (text: string) => void) {
    this.#socket = socket;
    this.#feed = feed;
    this.#warn = warn;
  }

  /** The descriptor whose events can be waited for. */
  get fd(): number {
    return this.#socket.number;
  }

  /**
   * Whether no message waits that is to be read.
   *
   * @throws {SyscallError} when the socket cannot be asked.
   */
  get isEmpty(): boolean {
    return this.#isRefused || hasFilesAttached(this.#socket) === undefined;
  }

  /** Lists the events to wait for. While the log takes no more, senders wait. */
  interests(): PollEvents[] {
    if (this.#isRefused) return [];
    return this.#feed?.hasRoom ?? true ? [{ fd: this.fd, events: POLLIN }] : [];
  }

  /** Logs messages that have arrived, some at the most. */
  readSome(): void {
    let bytes = 0;
    for (let count = 0; count < MOST_AT_ONCE.messages && bytes < MOST_AT_ONCE.bytes; count++) {
      if (hasFilesAttached(this.#socket)) return this.#refuse();
      const datagram = readAvailable(this.fd, MESSAGE_LIMIT);
      if (datagram === undefined) return;
      const message = parseMessage(datagram);
      if (message.text.length > 0) this.#feed?.write(message);
      bytes += datagram.length;
    }
  }

  /**
   * Reads the rest, of an app that has ended, and closes the socket: unless there are files in it,
   * as above.
   *
   * @returns The socket, if there are files in it.
   */
  end(): Fd | undefined {
    // What comes from now on is refused, so the rest is what the kernel lets wait in a socket.
    if (!this.#isRefused) refuseDatagrams(this.#socket);
    while (!this.isEmpty && !this.#isRefused) this.readSome();
    if (this.#isRefused) return this.#socket;
    this.#socket[Symbol.dispose]();
    return undefined;
  }

  #refuse(): void {
    this.#isRefused = true;
    refuseDatagrams(this.#socket);
    this.#warn("a message to /dev/log has files attached: nothing more is logged from there");
  }
}
