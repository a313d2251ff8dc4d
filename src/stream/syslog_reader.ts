/**
 * What an app sends to /dev/log, by syslog(3).
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN } from "../linux/poll.ts";
import { bytesAvailable, readAvailable } from "../linux/stream.ts";
import type { SyslogFeed } from "./log_feed.ts";
import { parseMessage } from "./syslog_message.ts";

/** The most bytes of a message. What goes beyond is cut off. */
const MESSAGE_LIMIT = 64 * 1024;

/** The most messages that are read before something else has its turn. */
const MOST_AT_ONCE = 64;

/**
 * The /dev/log of an app. Descriptors that a sender attaches are never received: reading a socket
 * as a file leaves them to the kernel, which closes them.
 */
export class SyslogReader implements Disposable {
  readonly #socket: Fd;
  readonly #feed: SyslogFeed | undefined;

  /**
   * @param socket A socket of datagrams that does not wait. It is closed with this reader.
   * @param feed What takes the messages; undefined if nothing does.
   */
  constructor(socket: Fd, feed: SyslogFeed | undefined) {
    this.#socket = socket;
    this.#feed = feed;
  }

  /** The descriptor whose events can be waited for. */
  get fd(): number {
    return this.#socket.number;
  }

  /**
   * Whether no message waits to be read. One of no bytes is none.
   *
   * @throws {SyscallError} when the socket cannot be asked.
   */
  get isEmpty(): boolean {
    return bytesAvailable(this.#socket) === 0;
  }

  /** Lists the events to wait for. While the log takes no more, senders wait. */
  interests(): PollEvents[] {
    return this.#feed?.hasRoom ?? true ? [{ fd: this.fd, events: POLLIN }] : [];
  }

  /** Logs messages that have arrived, some at the most. */
  readSome(): void {
    for (let count = 0; count < MOST_AT_ONCE; count++) {
      const datagram = readAvailable(this.fd, MESSAGE_LIMIT);
      if (datagram === undefined) return;
      const message = parseMessage(datagram);
      if (message.text.length > 0) this.#feed?.write(message);
    }
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
