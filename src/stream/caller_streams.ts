/**
 * The standard streams of a command that `enter` starts.
 *
 * The command gets the caller's pipes and sockets as they are, but none of the caller's terminals,
 * files and devices: a process that has a terminal open can type into it, and read what is typed.
 * In place of a terminal the command gets one of the pod's, whose output is shown in the caller's;
 * in place of files and devices it gets pipes.
 *
 * @module
 */

import { Fd } from "../linux/fd.ts";
import { setOwner } from "../linux/ownership.ts";
import { type PollEvents, POLLIN, waitForEvents } from "../linux/poll.ts";
import { ownProcessGroup } from "../linux/process.ts";
import { statFd } from "../linux/stat.ts";
import { foregroundGroup, isTerminal, type Pty } from "../linux/terminal.ts";
import { warn } from "../stage1/log.ts";
import { Console } from "./console.ts";
import { GivenStreams } from "./given_streams.ts";
import { InputRelay, isPassable, OutputRelay } from "./relay.ts";
import { giveTerminal, type Stdio } from "./stdio.ts";

/** The pod's terminal is shown in the first of these descriptors that is a terminal. */
const SHOWN_IN = [1, 2, 0];

/** Milliseconds to wait, once the command has ended, for a reader that takes nothing. */
const REST_PATIENCE = 1000;

/**
 * How often output is still passed on once the command has ended, 64 KiB at most each time:
 * processes that it has left running may write without end.
 */
const MOST_ROUNDS = 64;

const say = (line: string) => warn("enter", line);

/** What {@linkcode CallerStreams} needs. */
export interface CallerStreamsOptions {
  /** Makes the command's terminal. Called when it is to have one. */
  openTerminal: () => Pty;
  /** The command's user, as an id of the host. */
  uid: number;
}

/** The streams of a command, relayed until the end of the `using` scope. */
export class CallerStreams implements Disposable {
  /** The command's standard streams. */
  readonly stdio: Stdio;
  readonly #opened = new DisposableStack();
  /** Descriptors that the command alone is to have open, once it has begun. */
  readonly #ofCommand = new DisposableStack();
  readonly #outputs: OutputRelay[] = [];
  readonly #given = this.#opened.use(new GivenStreams());
  #input: InputRelay | undefined;
  #console: Console | undefined;

  /** @throws {SyscallError} when a stream is not open, or when no terminal can be made. */
  constructor({ openTerminal, uid }: CallerStreamsOptions) {
    using undo = new DisposableStack();
    undo.use(this.#opened);
    const terminals = SHOWN_IN.filter(isTerminal);
    const pty = terminals.length > 0 ? this.#showPty(openTerminal(), uid, terminals) : undefined;
    const ofTerminal = (fd: number) => terminals.includes(fd) ? pty?.slave : undefined;
    const stdout = ofTerminal(1) ?? this.#outputTo(new Fd(1), uid);
    // Output and errors that go to the same file keep their order only through the same pipe.
    const isSame = statFd(1).identity === statFd(2).identity;
    const stderr = ofTerminal(2) ?? (isSame ? stdout : this.#outputTo(new Fd(2), uid));
    this.stdio = {
      fds: [ofTerminal(0) ?? this.#inputFrom(new Fd(0), uid), stdout, stderr],
      hasTerminal: terminals.includes(0),
      isCallers: false,
    };
    undo.move();
  }

  /** Whether a stream of the caller's is to be given back, which takes `CAP_CHOWN`. */
  get hasGiven(): boolean {
    return this.#given.all.length > 0;
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    return [...this.#all].flatMap((it) => it.interests());
  }

  /** Passes on what has arrived. */
  onReady(ready: readonly PollEvents[]): void {
    for (const it of this.#all) it.onReady(ready);
  }

  /** Gives the command's terminal the size of the caller's: to be called after SIGWINCH. */
  resize(): void {
    this.#console?.resize();
  }

  /** Gives the caller's terminal back while this process is stopped. */
  suspend(): void {
    this.#console?.suspend();
  }

  /** Whether the caller's terminal, which is shown here, is another job's. */
  get isInBackground(): boolean {
    return this.#console?.isInBackground ?? false;
  }

  /** Takes the caller's terminal again. */
  resume(): void {
    this.#console?.resume();
  }

  /** Whether the caller has pressed the keys that end the command. */
  get hasEscaped(): boolean {
    return this.#console?.hasEscaped ?? false;
  }

  /**
   * Closes what the command has open by now. A pipe or terminal that this process kept open as well
   * would never come to its end.
   */
  commandStarted(): void {
    this.#ofCommand.dispose();
  }

  /**
   * Passes on what the command had written when it ended. What processes that it has left running
   * write later may be lost.
   *
   * @param signals Readable when a signal has arrived.
   * @param isUrged Reads the signals, and tells whether one of them asks this process to end.
   */
  commandEnded(signals: Fd, isUrged: () => boolean): void {
    this.#endInput();
    const urge = { fd: signals.number, events: POLLIN };
    for (let round = 0; round < MOST_ROUNDS; round++) {
      const interests = this.interests();
      if (interests.length === 0) return;
      const isWaiting = this.#console?.isShowing || this.#outputs.some((it) => it.isWaiting);
      const ready = waitForEvents([urge, ...interests], isWaiting ? REST_PATIENCE : 0);
      if (ready.length === 0) return;
      this.onReady(ready);
      // Not every signal is urgent: the command's end has sent one, too.
      if (ready.some(({ fd }) => fd === urge.fd) && isUrged()) return;
      if ((this.#console?.isDone ?? true) && this.#outputs.every((it) => it.isDone)) return;
    }
  }

  /** Restores the caller's terminal, and gives back the input that nobody has read. */
  [Symbol.dispose](): void {
    this.#endInput();
    this.#opened.dispose();
  }

  #endInput(): void {
    this.#input?.[Symbol.dispose]();
    this.#input = undefined;
  }

  get #all(): (Console | InputRelay | OutputRelay)[] {
    return [this.#console, this.#input, ...this.#outputs].filter((it) => it !== undefined);
  }

  #showPty(pty: Pty, uid: number, terminals: number[]): Pty {
    giveTerminal(this.#ofCommand.use(pty.slave), uid);
    // In the background, what is typed is for another process group.
    const isTyping = terminals.includes(0) && foregroundGroup(0) === ownProcessGroup();
    this.#console = this.#opened.use(
      new Console({
        master: pty.master,
        input: isTyping ? 0 : undefined,
        output: terminals[0]!,
        isShared: terminals.length < SHOWN_IN.length,
        warn: say,
      }),
    );
    return pty;
  }

  #give(caller: Fd, uid: number): Fd {
    this.#given.give(caller, uid);
    return caller;
  }

  #inputFrom(caller: Fd, uid: number): Fd {
    if (isPassable(caller)) return this.#give(caller, uid);
    this.#input = new InputRelay(caller);
    setOwner(this.#input.readEnd, uid, -1);
    return this.#input.readEnd;
  }

  #outputTo(caller: Fd, uid: number): Fd {
    if (isPassable(caller)) return this.#give(caller, uid);
    const relay = this.#opened.use(new OutputRelay(caller, say));
    this.#outputs.push(relay);
    setOwner(relay.writeEnd, uid, -1);
    return this.#ofCommand.use(relay.writeEnd);
  }
}
