/**
 * The caller's streams, connected with sockets of an app that `attach` is attached to.
 *
 * For an app's terminal the caller's is raw meanwhile, so that the app's alone decides what a key
 * means. Nothing here blocks, whatever the app and the readers of the caller's streams do.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { monotonicMicroseconds } from "../linux/clock.ts";
import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN, POLLOUT } from "../linux/poll.ts";
import { ownProcessGroup } from "../linux/process.ts";
import { statFd } from "../linux/stat.ts";
import {
  openSharedInput,
  readAvailable,
  type SharedInput,
  writeAvailable,
} from "../linux/stream.ts";
import { foregroundGroup, isTerminal, RawMode, windowSize } from "../linux/terminal.ts";
import { printable } from "../stage1/log.ts";
import { EscapeKeys } from "./escape_keys.ts";
import { OutputMux, type OutputQueue, READ_SIZE } from "./output_mux.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;

/** The most bytes that one read takes of what is typed or read for the app. */
const INPUT_SIZE = 16 * 1024;

/**
 * The most typed bytes that wait for the app to read. Further ones are dropped: the keys that
 * detach have to be seen, whether or not the app reads.
 */
const MOST_TYPED = 64 * 1024;

/** What {@linkcode AttachedStreams} needs: sockets that do not wait, which are closed here. */
export interface AttachedSockets {
  /** Where the caller's input goes. */
  input: Fd | undefined;
  /** What comes from the app's standard output or terminal. */
  stdout: readonly Fd[];
  /** What comes from the app's standard error. */
  stderr: readonly Fd[];
  /** Whether the input is for a terminal of the app's. */
  isForTerminal: boolean;
}

/** A socket that is read, and the caller's stream that it is written to. */
interface Output {
  socket: Fd;
  mux: OutputMux;
  queue: OutputQueue;
}

/** The streams, connected until the end of the `using` scope. */
export class AttachedStreams implements Disposable {
  readonly #opened = new DisposableStack();
  readonly #outputs = new Set<Output>();
  readonly #muxes: Record<"stdout" | "stderr", OutputMux>;
  readonly #messages: OutputQueue;
  readonly #socket: Fd | undefined;
  readonly #input: SharedInput | undefined;
  readonly #rawMode: RawMode | undefined;
  readonly #isTyped: boolean;
  readonly #escape = new EscapeKeys();
  /** Bytes for the app that the socket has not taken yet. */
  #rest: Bytes[] = [];
  #inputState: "open" | "ending" | "ended" = "open";
  #isDetached = false;
  #hasFailed = false;

  /**
   * Makes the caller's terminal raw, if it is one and the app has one.
   *
   * @throws {SyscallError} when a stream of the caller's is not open.
   */
  constructor({ input, stdout, stderr, isForTerminal }: AttachedSockets) {
    using undo = new DisposableStack();
    undo.use(this.#opened);
    // A terminal has one socket for both ways.
    const sockets = new Set([...(input ? [input] : []), ...stdout, ...stderr]);
    for (const socket of sockets) this.#opened.use(socket);
    this.#muxes = this.#openMuxes();
    this.#messages = this.#muxes.stderr.addQueue();
    for (const socket of stdout) this.#addOutput(socket, this.#muxes.stdout);
    for (const socket of stderr) this.#addOutput(socket, this.#muxes.stderr);
    this.#isTyped = input !== undefined && isTerminal(STDIN);
    if (this.#isTyped && isForTerminal) this.#rawMode = this.#opened.use(makeRaw());
    this.#socket = input;
    if (input) this.#input = this.#opened.use(openSharedInput(STDIN));
    undo.move();
  }

  /** Whether the caller wants to detach: by its keys, or because its terminal is hung up. */
  get isDetached(): boolean {
    return this.#isDetached;
  }

  /** Whether the app's output can no longer be written: its reader has gone, or a disk is full. */
  get hasLostReader(): boolean {
    return [...this.#outputs].some(({ mux }) => mux.isGone);
  }

  /** Whether something else than a reader that has gone is in the way of writing. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** Whether the caller's terminal is raw, and so the app's to be as large. */
  get hasTerminal(): boolean {
    return this.#rawMode !== undefined;
  }

  /** Whether all output has come, and is written. */
  get isDone(): boolean {
    return this.#outputs.size === 0 && !Object.values(this.#muxes).some((mux) => mux.isWaiting);
  }

  /** Whether the caller's input has ended, and all of it has been sent. */
  get isInputSent(): boolean {
    return this.#inputState === "ended";
  }

  /** Whether the caller's terminal, which is read here, is another job's. */
  get isInBackground(): boolean {
    return this.#isTyped && isTypedForOthers();
  }

  /** Writes a line of `attach` itself to the caller's standard error. */
  say(text: string): void {
    const end = this.#rawMode ? "\r\n" : "\n";
    this.#messages.put(new TextEncoder().encode(`attach: ${printable(text)}${end}`));
    this.#muxes.stderr.flush();
  }

  /** Gives the caller's terminal back while this process is stopped. */
  suspend(): void {
    this.#rawMode?.suspend();
  }

  /** Takes the caller's terminal again. */
  resume(): void {
    this.#rawMode?.resume();
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    const reading = [...this.#outputs].filter(({ queue }) => queue.hasRoom)
      .map(({ socket }) => ({ fd: socket.number, events: POLLIN }));
    const muxes = new Set(Object.values(this.#muxes));
    return [...reading, ...[...muxes].flatMap((mux) => mux.interests()), ...this.#ofInput()];
  }

  /** Passes on what has arrived. */
  onReady(ready: readonly PollEvents[]): void {
    const fds = new Set(ready.map(({ fd }) => fd));
    if (this.#input && fds.has(this.#input.fd) && this.#inputState === "open") this.#readInput();
    this.#passInput();
    for (const output of this.#outputs) if (fds.has(output.socket.number)) this.#pass(output);
    for (const mux of Object.values(this.#muxes)) mux.flush();
  }

  /** Restores the caller's terminal, and closes what is open. */
  [Symbol.dispose](): void {
    this.#opened.dispose();
  }

  /** Where both of the caller's streams lead to one file, one mux keeps the order. */
  #openMuxes(): Record<"stdout" | "stderr", OutputMux> {
    const warn = (line: string) => {
      this.#hasFailed = true;
      this.say(line);
    };
    const open = (fd: number) => this.#opened.use(new OutputMux(fd, warn, "end"));
    const stdout = open(STDOUT);
    const isSame = statFd(STDOUT).identity === statFd(STDERR).identity;
    return { stdout, stderr: isSame ? stdout : open(STDERR) };
  }

  #addOutput(socket: Fd, mux: OutputMux): void {
    this.#outputs.add({ socket, mux, queue: mux.addQueue() });
  }

  #ofInput(): PollEvents[] {
    if (!this.#input || !this.#socket || this.#inputState === "ended") return [];
    const isWaiting = this.#rest.length > 0;
    const isWanted = this.#inputState === "open" && (this.#isTyped || !isWaiting) &&
      !this.isInBackground;
    return [
      ...(isWaiting ? [{ fd: this.#socket.number, events: POLLOUT }] : []),
      ...(isWanted ? [{ fd: this.#input.fd, events: POLLIN }] : []),
    ];
  }

  #readInput(): void {
    const bytes = this.#readSome();
    if (bytes === undefined) return;
    if (bytes.length === 0) {
      // A terminal that is raw has no end of input, nor has one that is hung up.
      this.#isDetached ||= this.#isTyped && (this.#rawMode !== undefined || !isTerminal(STDIN));
      this.#inputState = "ending";
    }
    const isEscaped = this.#rawMode && this.#escape.push(bytes, monotonicMicroseconds());
    if (isEscaped) this.#isDetached = true;
    else if (this.#restSize() + bytes.length <= MOST_TYPED) this.#rest.push(bytes);
  }

  #readSome(): Bytes | undefined {
    try {
      return this.#input!.read(INPUT_SIZE);
    } catch (error) {
      if (!failedWith(error, "EISDIR", "EINVAL", "EBADF")) throw error;
      return new Uint8Array(0);
    }
  }

  #restSize(): number {
    return this.#rest.reduce((size, { length }) => size + length, 0);
  }

  #passInput(): void {
    if (!this.#socket || this.#inputState === "ended") return;
    try {
      while (this.#rest.length > 0) {
        const [first, ...others] = this.#rest;
        const written = writeAvailable(this.#socket.number, first!);
        const rest = first!.subarray(written);
        this.#rest = rest.length > 0 ? [rest, ...others] : others;
        if (rest.length > 0) return;
      }
      if (this.#inputState === "ending") this.#inputState = "ended";
    } catch (error) {
      // The app has ended: the supervisor says so.
      if (!failedWith(error, "EPIPE", "ECONNRESET")) throw error;
      this.#rest = [];
      this.#inputState = "ended";
    }
  }

  #pass(output: Output): void {
    if (!output.queue.hasRoom) return;
    const bytes = readUntilEnd(output.socket);
    if (bytes === undefined) return;
    output.queue.put(bytes);
    if (bytes.length === 0) this.#outputs.delete(output);
  }
}

/** Makes the caller's terminal raw, in which the next program of a pipeline may write as well. */
function makeRaw(): RawMode {
  const isShared = ![STDOUT, STDERR].every(isTerminal);
  return new RawMode(STDIN, isShared);
}

/** A supervisor that has gone has left what it has sent. */
function readUntilEnd(socket: Fd): Bytes | undefined {
  try {
    return readAvailable(socket.number, READ_SIZE);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    return new Uint8Array(0);
  }
}

/** Tells whether what is typed in the caller's terminal is for another job of its shell. */
export function isTypedForOthers(): boolean {
  const foreground = foregroundGroup(STDIN);
  return foreground !== undefined && foreground !== ownProcessGroup();
}

/** Returns the size of the caller's terminal; undefined if it has none, or one of unknown size. */
export function callersSize(): { rows: number; columns: number } | undefined {
  const terminal = [STDIN, STDOUT].find(isTerminal);
  if (terminal === undefined) return undefined;
  const { rows, columns } = windowSize(terminal);
  return rows > 0 && columns > 0 ? { rows, columns } : undefined;
}
