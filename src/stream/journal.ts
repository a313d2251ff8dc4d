/**
 * The way to the host's journal. It outlives a restart of the journal, and nothing here waits.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { connectDatagrams, sendDatagram } from "../linux/datagram.ts";
import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLOUT } from "../linux/poll.ts";
import { withContext } from "../stage1/context.ts";

/** Where systemd's journal takes entries. */
export const JOURNAL_SOCKET = "/run/systemd/journal/socket";

/** The bytes of entries that wait from which on no more are made. */
const WAITING_LIMIT = 64 * 1024;

/** The host's journal. */
export class Journal implements Disposable {
  readonly #socket: Fd;
  readonly #path: string;
  readonly #warn: (text: string) => void;
  /** Entries that the journal has not taken yet. */
  #waiting: Bytes[] = [];
  #size = 0;
  /** Whether the socket that was there at first is still the journal's. */
  #isConnected = true;
  #hasWarned = false;

  /**
   * @param warn Called once, with the reason, when entries are lost.
   * @throws {Error} when the host has no journal, with the path that it would be at.
   */
  constructor(warn: (text: string) => void, path = JOURNAL_SOCKET) {
    this.#path = path;
    this.#warn = warn;
    this.#socket = withContext(path, () => connectDatagrams(path));
  }

  /** Whether there should be more entries. While not, the apps that write them wait. */
  get hasRoom(): boolean {
    return this.#size < WAITING_LIMIT;
  }

  /** Whether entries wait to be sent. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    return this.isWaiting ? [{ fd: this.#socket.number, events: POLLOUT }] : [];
  }

  /** Adds an entry. */
  put(entry: Bytes): void {
    this.#waiting.push(entry);
    this.#size += entry.length;
  }

  /** Sends what the journal takes without waiting. */
  flush(): void {
    const sent = this.#waiting.findIndex((entry) => !this.#send(entry));
    const taken = this.#waiting.splice(0, sent < 0 ? this.#waiting.length : sent);
    for (const { length } of taken) this.#size -= length;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  /** Sends an entry, and returns whether nothing more is to be done about it. */
  #send(entry: Bytes): boolean {
    try {
      if (this.#isConnected) return sendDatagram(this.#socket, entry);
    } catch (error) {
      if (!failedWith(error, "ECONNREFUSED", "ENOTCONN", "ECONNRESET")) return this.#lose(error);
      // This process has denied itself to connect to the socket that is there now.
      this.#isConnected = false;
    }
    return this.#sendByPath(entry);
  }

  /** Nobody can wait for a socket that is not connected to have room. */
  #sendByPath(entry: Bytes): boolean {
    try {
      if (sendDatagram(this.#socket, entry, this.#path)) return true;
      return this.#lose("it takes no more");
    } catch (error) {
      return this.#lose(error);
    }
  }

  #lose(why: unknown): true {
    if (typeof why !== "string" && !(why instanceof SyscallError)) throw why;
    const reason = typeof why === "string" ? why : why.message;
    if (!this.#hasWarned) this.#warn(`the journal has gaps: ${reason}`);
    this.#hasWarned = true;
    return true;
  }
}
