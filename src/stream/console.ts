/**
 * The terminal of an interactive app, or of a command that `enter` starts, connected to the
 * caller's: what is typed in the caller's goes to the app's, and what the app's shows goes back.
 *
 * The caller's terminal is raw meanwhile, so that the app's alone decides what a key means. Nothing
 * here blocks: a {@linkcode Console} lists the events to wait for, and is handed those that happen.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { monotonicMicroseconds } from "../linux/clock.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN, POLLOUT } from "../linux/poll.ts";
import { ownProcessGroup } from "../linux/process.ts";
import {
  openSharedInput,
  readAvailable,
  type SharedInput,
  writeAvailable,
} from "../linux/stream.ts";
import { foregroundGroup, RawMode, setWindowSize, windowSize } from "../linux/terminal.ts";
import { EscapeKeys } from "./escape_keys.ts";
import type { LogFeed } from "./log_feed.ts";
import { OutputMux, type OutputQueue, READ_SIZE } from "./output_mux.ts";

/** The most bytes of typing that one read takes: what a terminal holds. */
const TYPING_SIZE = 4096;

/** `^D`, which a terminal takes for the end of input. */
const END_OF_INPUT = Uint8Array.of(4);

/** What {@linkcode Console} needs. */
export interface ConsoleOptions {
  /** The master of the app's terminal, which does not block. Whoever opened it closes it. */
  master: Fd;
  /** The caller's terminal; `undefined` when what is typed there is not for the app. */
  input: number | undefined;
  /** The descriptor in which the app's terminal is shown. */
  output: number;
  /** Whether somebody else reads the master, and passes on what it reads by `feed`. */
  isFed?: boolean;
  /** Whether other output is written to the caller's terminal as well. */
  isShared?: boolean;
  /** Called with the reason when nothing more can be shown. */
  warn: (text: string) => void;
}

/** The caller's terminal and the app's, connected until the end of the `using` scope. */
export class Console implements Disposable {
  readonly #master: Fd;
  readonly #terminal: number;
  readonly #rawMode: RawMode | undefined;
  readonly #input: SharedInput | undefined;
  readonly #screen: OutputMux;
  readonly #shown: OutputQueue;
  readonly #isFed: boolean;
  readonly #escape = new EscapeKeys();
  /** Typed bytes that the app's terminal has not taken yet. */
  #typed: Bytes = new Uint8Array(0);
  #inputEnded = false;
  #appEnded = false;
  #hasEscaped = false;

  /**
   * Makes the caller's terminal raw, and the app's as large.
   *
   * @throws {SyscallError} when a terminal refuses; the caller's is then as it was.
   */
  constructor({ master, input, output, isFed = false, isShared = false, warn }: ConsoleOptions) {
    using undo = new DisposableStack();
    this.#master = master;
    this.#isFed = isFed;
    this.#terminal = input ?? output;
    this.#input = undo.use(input === undefined ? undefined : openSharedInput(input));
    this.#screen = undo.use(new OutputMux(output, warn, "end"));
    this.#shown = this.#screen.addQueue();
    this.#rawMode = undo.use(input === undefined ? undefined : new RawMode(input, isShared));
    this.resize();
    undo.move();
  }

  /** Makes the app's terminal as large as the caller's: to be called after SIGWINCH. */
  resize(): void {
    // Whoever reads the master closes it then.
    if (this.#isFed && this.#appEnded) return;
    try {
      setWindowSize(this.#master.number, windowSize(this.#terminal));
    } catch (error) {
      // One of the two was hung up.
      if (!failedWith(error, "EIO")) throw error;
    }
  }

  /** Gives the caller's terminal back while this process is stopped. */
  suspend(): void {
    this.#rawMode?.suspend();
  }

  /** Whether what is typed in the caller's terminal is for another job of its shell. */
  get isInBackground(): boolean {
    const foreground = this.#rawMode && foregroundGroup(this.#terminal);
    return foreground !== undefined && foreground !== ownProcessGroup();
  }

  /** Takes the caller's terminal again, whose size may have changed. */
  resume(): void {
    this.#rawMode?.resume();
    this.resize();
  }

  /** Whether no process has the app's terminal open any more, and all its output is shown. */
  get isDone(): boolean {
    return this.#appEnded && !this.#screen.isWaiting;
  }

  /** Whether the caller has pressed the keys that end the pod. */
  get hasEscaped(): boolean {
    return this.#hasEscaped;
  }

  /** Whether output of the app's terminal is not shown yet. */
  get isShowing(): boolean {
    return this.#screen.isWaiting;
  }

  /** Takes what the app's terminal shows, where somebody else reads the master. */
  get feed(): LogFeed {
    const hasRoom = () => this.#shown.hasRoom;
    return {
      get hasRoom() {
        return hasRoom();
      },
      readSize: READ_SIZE,
      write: (bytes) => this.#shown.put(bytes),
      end: () => {
        this.#appEnded = true;
        this.#typed = new Uint8Array(0);
      },
    };
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    const isTyping = this.#typed.length > 0;
    const showing = !this.#isFed && !this.#appEnded && this.#shown.hasRoom ? POLLIN : 0;
    const taking = !this.#appEnded && isTyping ? POLLOUT : 0;
    // The keys that end the pod are looked for as long as the caller's terminal is raw.
    const isHeard = !this.#appEnded || this.#isFed;
    const typing = isHeard && !this.#inputEnded && !isTyping ? POLLIN : 0;
    return [
      { fd: this.#master.number, events: showing | taking },
      ...(this.#input ? [{ fd: this.#input.fd, events: typing }] : []),
      ...this.#screen.interests(),
    ].filter(({ events }) => events !== 0);
  }

  /**
   * Passes on what has arrived.
   *
   * @param ready The events that have happened; those of other descriptors are skipped.
   * @throws {SyscallError} when the app's terminal cannot be read or written.
   */
  onReady(ready: readonly PollEvents[]): void {
    const fds = new Set(ready.map(({ fd }) => fd));
    if (this.#input && fds.has(this.#input.fd)) this.#readTyping(this.#input);
    this.#passTyping();
    if (!this.#isFed && fds.has(this.#master.number)) this.#readScreen();
    this.#screen.flush();
  }

  /** Restores the caller's terminal. */
  [Symbol.dispose](): void {
    this.#rawMode?.[Symbol.dispose]();
    this.#screen[Symbol.dispose]();
    this.#input?.[Symbol.dispose]();
  }

  #readTyping(input: SharedInput): void {
    const typed = input.read(TYPING_SIZE);
    if (typed === undefined) return;
    this.#inputEnded = typed.length === 0;
    this.#typed = this.#inputEnded ? END_OF_INPUT : typed;
    if (this.#appEnded) this.#typed = new Uint8Array(0);
    if (this.#escape.push(typed, monotonicMicroseconds())) this.#hasEscaped = true;
  }

  #passTyping(): void {
    if (this.#typed.length === 0) return;
    try {
      const written = writeAvailable(this.#master.number, this.#typed);
      this.#typed = this.#typed.subarray(written);
    } catch (error) {
      // No process has the app's terminal open any more.
      if (!failedWith(error, "EIO")) throw error;
      this.#typed = this.#typed.subarray(this.#typed.length);
    }
  }

  #readScreen(): void {
    if (!this.#shown.hasRoom) return;
    const bytes = readAvailable(this.#master.number, READ_SIZE);
    if (bytes === undefined) return;
    this.#appEnded = bytes.length === 0;
    this.#shown.put(bytes);
  }
}
