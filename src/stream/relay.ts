/**
 * Streams of the caller's that a pod may not have itself: files and devices. Who has one open can
 * open it once more, for more than it was opened for, and change its mode. What the pod has in
 * their place is a pipe, and what goes through it is passed on here. Nothing waits.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import type { Bytes } from "../linux/libc.ts";
import { type PollEvents, POLLIN, POLLOUT } from "../linux/poll.ts";
import { seekBy } from "../linux/read_write.ts";
import { fileSystemType, statFd } from "../linux/stat.ts";
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

/** File systems of which nothing has a path: those of pipes and of sockets. `linux/magic.h`. */
const WITHOUT_PATHS = [0x5049_5045, 0x534f_434b];

/**
 * Whether a stream can be given to a pod as it is: a pipe or a socket leads to its other end alone.
 */
export function isPassable(fd: Fd): boolean {
  return WITHOUT_PATHS.includes(fileSystemType(fd));
}

/** What the caller's stream has for a pod to read, passed on until the end of the `using` scope. */
export class InputRelay implements Disposable {
  /** What the pod has as its end. */
  readonly readEnd: Fd;
  readonly #caller: Fd;
  readonly #input: SharedInput;
  readonly #closePipe = new DisposableStack();
  readonly #writeEnd: Fd;
  /** What the pipe has not yet taken. */
  #rest: Bytes = new Uint8Array(0);
  /** How many bytes have been taken from the caller. */
  #taken = 0;
  #hasEnded = false;

  /** @throws {SyscallError} */
  constructor(caller: Fd) {
    const { readEnd, writeEnd } = makeInputPipe();
    this.#caller = caller;
    this.#input = openSharedInput(caller.number);
    this.readEnd = readEnd;
    this.#writeEnd = this.#closePipe.use(writeEnd);
  }

  /** What to wait for. */
  interests(): PollEvents[] {
    if (this.#rest.length > 0) return [{ fd: this.#writeEnd.number, events: POLLOUT }];
    return this.#hasEnded ? [] : [{ fd: this.#input.fd, events: POLLIN }];
  }

  /** Passes on what has come. */
  onReady(ready: readonly PollEvents[]): void {
    const fds = new Set(ready.map(({ fd }) => fd));
    if (!this.#hasEnded && this.#rest.length === 0 && fds.has(this.#input.fd)) this.#read();
    if (this.#rest.length > 0) {
      this.#rest = this.#rest.subarray(writeAvailable(this.#writeEnd.number, this.#rest));
    }
    if (this.#hasEnded && this.#rest.length === 0) this.#closePipe.dispose();
  }

  /** Gives back what nobody has read: the next one who reads the caller's file begins there. */
  [Symbol.dispose](): void {
    // Who reads the pipe may have written to it, too.
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

/** What a pod writes, passed on to the caller's stream until the end of the `using` scope. */
export class OutputRelay implements Disposable {
  /** What the pod has as its end. It is to be closed here once the pod has it. */
  readonly writeEnd: Fd;
  readonly #readEnd: Fd;
  readonly #closePipe = new DisposableStack();
  readonly #mux: OutputMux;
  readonly #queue: OutputQueue;
  #hasEnded = false;

  /**
   * @param warn Hears why nothing more is passed on.
   * @throws {SyscallError}
   */
  constructor(caller: Fd, warn: (text: string) => void) {
    const { readEnd, writeEnd } = makeOutputPipe();
    this.writeEnd = writeEnd;
    this.#readEnd = this.#closePipe.use(readEnd);
    this.#mux = new OutputMux(caller.number, warn);
    this.#queue = this.#mux.addQueue();
  }

  /** Whether all has been passed on that there is to come. */
  get isDone(): boolean {
    return this.#hasEnded && !this.isWaiting;
  }

  /** Whether something is yet to be written. */
  get isWaiting(): boolean {
    return this.#mux.isWaiting;
  }

  /** What to wait for. */
  interests(): PollEvents[] {
    const reading = !this.#hasEnded && this.#queue.hasRoom;
    return [
      ...(reading ? [{ fd: this.#readEnd.number, events: POLLIN }] : []),
      ...this.#mux.interests(),
    ];
  }

  /** Passes on what has come. A pod whose caller reads no more is told so by its pipe. */
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
