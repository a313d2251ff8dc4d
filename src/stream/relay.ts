/**
 * Relays for the caller's files and devices, which no process of a pod may have open: it could open
 * them again with more access, and change their modes. The pod has a pipe instead, and a relay
 * copies between pipe and file. Nothing here blocks.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN, POLLOUT } from "../linux/poll.ts";
import { seekBy } from "../linux/read_write.ts";
import { fileSystemType, PIPEFS_MAGIC, SOCKFS_MAGIC, statFd } from "../linux/stat.ts";
import {
  bytesAvailable,
  makeInputPipe,
  makeOutputPipe,
  openSharedInput,
  readAvailable,
  type SharedInput,
  writeAvailable,
} from "../linux/stream.ts";
import { OutputMux, type OutputQueue, READ_SIZE } from "./output_mux.ts";

/** The file systems whose files have no paths. */
const WITHOUT_PATHS = [PIPEFS_MAGIC, SOCKFS_MAGIC];

/**
 * Tells whether a pod may have a stream of the caller itself: a pipe or a socket leads only to its
 * other end.
 */
export function isPassable(fd: Fd): boolean {
  return WITHOUT_PATHS.includes(fileSystemType(fd));
}

/** The caller's input, relayed to a pod until the end of the `using` scope. */
export class InputRelay implements Disposable {
  /** The pod's end of the pipe. */
  readonly readEnd: Fd;
  readonly #caller: Fd;
  readonly #input: SharedInput;
  readonly #closePipe = new DisposableStack();
  readonly #writeEnd: Fd;
  /** Bytes that the pipe has not taken yet. */
  #rest: Bytes = new Uint8Array(0);
  /** How many bytes have been read from the caller. */
  #taken = 0;
  #hasEnded = false;

  /** @throws {SyscallError} when the caller's stream is not open. */
  constructor(caller: Fd) {
    const { readEnd, writeEnd } = makeInputPipe();
    this.#caller = caller;
    this.#input = openSharedInput(caller.number);
    this.readEnd = readEnd;
    this.#writeEnd = this.#closePipe.use(writeEnd);
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    if (this.#rest.length > 0) return [{ fd: this.#writeEnd.number, events: POLLOUT }];
    return this.#hasEnded ? [] : [{ fd: this.#input.fd, events: POLLIN }];
  }

  /** Passes on what has arrived. */
  onReady(ready: readonly PollEvents[]): void {
    const fds = new Set(ready.map(({ fd }) => fd));
    if (!this.#hasEnded && this.#rest.length === 0 && fds.has(this.#input.fd)) this.#read();
    if (this.#rest.length > 0) {
      this.#rest = this.#rest.subarray(writeAvailable(this.#writeEnd.number, this.#rest));
    }
    if (this.#hasEnded && this.#rest.length === 0) this.#closePipe.dispose();
  }

  /** Gives back what nobody has read: the next reader of the caller's file begins there. */
  [Symbol.dispose](): void {
    // The pipe's reader may have written to it, too: no more is given back than was taken.
    const unread = Math.min(this.#taken, this.#rest.length + bytesAvailable(this.readEnd));
    if (unread > 0 && statFd(this.#caller).kind === "file") seekBy(this.#caller, -unread);
    this.#closePipe.dispose();
    this.readEnd[Symbol.dispose]();
    this.#input[Symbol.dispose]();
  }

  #read(): void {
    try {
      const bytes = this.#input.read(READ_SIZE);
      if (bytes === undefined) return;
      this.#rest = bytes;
      this.#taken += bytes.length;
      this.#hasEnded = bytes.length === 0;
    } catch (error) {
      if (!failedWith(error, "EISDIR", "EINVAL")) throw error;
      this.#hasEnded = true;
    }
  }
}

/** A pod's output, relayed to the caller's stream until the end of the `using` scope. */
export class OutputRelay implements Disposable {
  /** The pod's end of the pipe. Close it here once a process of the pod has it. */
  readonly writeEnd: Fd;
  readonly #readEnd: Fd;
  readonly #closePipe = new DisposableStack();
  readonly #mux: OutputMux;
  readonly #queue: OutputQueue;
  #hasEnded = false;

  /**
   * @param warn Called with the reason when nothing more can be passed on.
   * @throws {SyscallError} when the caller's stream is not open.
   */
  constructor(caller: Fd, warn: (text: string) => void) {
    const { readEnd, writeEnd } = makeOutputPipe();
    this.writeEnd = writeEnd;
    this.#readEnd = this.#closePipe.use(readEnd);
    // A command whose output is not kept has to learn that.
    this.#mux = new OutputMux(caller.number, warn, "end");
    this.#queue = this.#mux.addQueue();
  }

  /** Whether the pod's output has come to its end and has been passed on. */
  get isDone(): boolean {
    return this.#hasEnded && !this.isWaiting;
  }

  /** Whether bytes wait to be written. */
  get isWaiting(): boolean {
    return this.#mux.isWaiting;
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    const reading = !this.#hasEnded && this.#queue.hasRoom;
    return [
      ...(reading ? [{ fd: this.#readEnd.number, events: POLLIN }] : []),
      ...this.#mux.interests(),
    ];
  }

  /** Passes on what has arrived. When the caller's reader has gone, the pipe is closed, too. */
  onReady(ready: readonly PollEvents[]): void {
    const isReadable = ready.some(({ fd }) => fd === this.#readEnd.number);
    if (!this.#hasEnded && isReadable && this.#queue.hasRoom) {
      const bytes = readAvailable(this.#readEnd.number, READ_SIZE);
      if (bytes?.length === 0) this.#end();
      else if (bytes) this.#queue.put(bytes);
    }
    this.#mux.flush();
    if (this.#mux.isGone) this.#end();
  }

  [Symbol.dispose](): void {
    this.#closePipe.dispose();
    this.#mux[Symbol.dispose]();
  }

  #end(): void {
    this.#hasEnded = true;
    this.#closePipe.dispose();
  }
}
