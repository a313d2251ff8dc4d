/**
 * The minder of a process that the supervisor has not launched itself. The minder is the parent: it
 * waits for the process's end, and tells the supervisor by a socket. See `minded_launch.ts`.
 *
 * It sends two messages of two words each: first the process's id and the wait status of who
 * prepared it, then the id once more and the process's own wait status. The id is 0 where none was
 * made. It takes one byte before each: it waits for the first one where the process is deferred,
 * and for the second one before it waits for the process. As long as nobody has waited for the
 * process, the id is no other process's.
 *
 * @module
 */

import { monotonicMilliseconds } from "../linux/clock.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { POLLIN, waitForEvents } from "../linux/poll.ts";
import { parentOf } from "../linux/proc.ts";
import { killTracerOf } from "../linux/reap.ts";
import { SIGKILL } from "../linux/signal_numbers.ts";
import { endInput, readAvailable, writeShared } from "../linux/stream.ts";
import { decodeEnd, type End } from "../linux/wait.ts";
import type { HeldProcess } from "./held_process.ts";

/** The size of a message of a minder's, in bytes. */
export const MESSAGE_SIZE = 8;

/**
 * For how many milliseconds a minder is waited for, each time: to tell of an end that has come, or
 * to end when it is let go.
 */
const PATIENCE = 1000;

/** The end of a process whose minder is gone: the kernel kills the one with the other. */
const KILLED: End = { signal: SIGKILL };

/** What a minder tells. */
export type MinderNews =
  /** A deferred process has begun. Its descriptor belongs to whoever takes the news. */
  | { begun: HeldProcess }
  /**
   * The process has ended, or a deferred one could not begin. Where the minder itself was killed,
   * SIGKILL is what the kernel has sent to the process.
   */
  | { end: End };

/** A minder, as whoever is told of its process has it. The process dies with this. */
export class Minder implements Disposable {
  readonly #socket: Fd;
  /** Whether it waits to be told to make the process. */
  #isDeferred: boolean;
  #end: End | undefined;

  /**
   * @param socket The minder's socket, from `launchMinded` or `launchDeferred`. It is closed here.
   * @param isDeferred Whether the process has yet to be made: the socket is that of
   * `launchDeferred`.
   */
  constructor(socket: Fd, isDeferred: boolean) {
    this.#socket = socket;
    this.#isDeferred = isDeferred;
  }

  /** The descriptor that is readable when there is news. */
  get fd(): number {
    return this.#socket.number;
  }

  /** Has a deferred process begin. If its minder is gone, `news` will tell. */
  go(): void {
    sendByte(this.#socket);
  }

  /**
   * Takes what the minder has told, without waiting. After an end there is no more.
   *
   * @param look Looks at a process that has begun, whose id is no other's meanwhile, also if it has
   * ended.
   * @throws {SyscallError} when there is no descriptor left for a process that has begun. The
   * minder is to be disposed of then, and the process with it.
   */
  news(look: (pid: number) => void = () => {}): MinderNews | undefined {
    if (this.#end) return undefined;
    const message = readMessage(this.#socket);
    if (message === undefined) return undefined;
    if (message === "gone") return { end: this.#end = KILLED };
    const { pid, status } = message;
    if (!this.#isDeferred || pid === 0) return { end: this.#end = decodeEnd(status) };
    this.#isDeferred = false;
    // Its minder waits for it no sooner than it gets its byte: only a minder's death takes it away.
    const process = openProcess(pid);
    try {
      if (process) look(pid);
    } finally {
      sendByte(this.#socket);
    }
    return process ? { begun: { pid, process } } : { end: this.#end = KILLED };
  }

  /**
   * Waits for the news of the end of a process that has ended, as its descriptor tells. A tracer
   * that keeps the process from its minder is killed, and so is a minder that somebody has stopped.
   *
   * @param pid The process.
   * @throws {SyscallError} when one of them may not be killed.
   */
  awaitEnd(pid: number): End {
    if (!this.#endWithin(PATIENCE)) killTracerOf(pid);
    if (!this.#endWithin(PATIENCE)) this.#killMinderOf(pid);
    return this.#endWithin(PATIENCE) ?? KILLED;
  }

  /** Until somebody has waited for the process, its id is no other's, and its parent the minder. */
  #killMinderOf(pid: number): void {
    const parent = parentOf(pid);
    using minder = parent === undefined ? undefined : openProcess(parent);
    if (minder && parentOf(pid) === parent && !this.news()) signalProcess(minder, SIGKILL);
  }

  /**
   * Lets the minder and its process go, which end unless they have ended. Returns when the minder
   * holds nothing any more, or after a second if somebody has stopped it.
   */
  [Symbol.dispose](): void {
    endInput(this.#socket);
    const deadline = monotonicMilliseconds() + PATIENCE;
    while (readMessage(this.#socket) !== "gone" && this.#waitUntil(deadline));
    this.#socket[Symbol.dispose]();
  }

  #endWithin(milliseconds: number): End | undefined {
    const deadline = monotonicMilliseconds() + milliseconds;
    do this.news(); while (!this.#end && this.#waitUntil(deadline));
    return this.#end;
  }

  /** Waits for the next message, and tells whether there is one. */
  #waitUntil(deadline: number): boolean {
    const left = deadline - monotonicMilliseconds();
    if (left <= 0) return false;
    return waitForEvents([{ fd: this.#socket.number, events: POLLIN }], left).length > 0;
  }
}

/** Sends a minder the byte that it waits for. */
export function sendByte(socket: Fd): void {
  try {
    writeShared(socket.number, new Uint8Array(1));
  } catch (error) {
    if (!failedWith(error, "EPIPE", "ECONNRESET")) throw error;
  }
}

/** A message of a minder's. */
export interface MinderMessage {
  /** 0 where no process was made. */
  pid: number;
  /** As wait4(2) returned it. */
  status: number;
}

/**
 * Takes the next message of a minder's, which sends each as a whole.
 *
 * @returns `undefined` when there is none yet, `"gone"` when none will come.
 */
export function readMessage(socket: Fd): MinderMessage | "gone" | undefined {
  const bytes = receive(socket);
  if (bytes === undefined) return undefined;
  if (bytes.length < MESSAGE_SIZE) return "gone";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { pid: view.getInt32(0, true), status: view.getInt32(4, true) };
}

/** A socket is reset where its other end is closed with a byte in it that nobody has read. */
function receive(socket: Fd) {
  if (waitForEvents([{ fd: socket.number, events: POLLIN }], 0).length === 0) return undefined;
  try {
    return readAvailable(socket.number, MESSAGE_SIZE);
  } catch (error) {
    if (failedWith(error, "ECONNRESET")) return new Uint8Array(0);
    throw error;
  }
}
