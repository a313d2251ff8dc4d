/**
 * The standard streams of a command of `enter`'s: the caller's, but none of the caller's terminals,
 * files and devices. Who has a terminal open can type into it, and read what is typed. The command
 * gets a terminal of the pod's own instead, and what that shows is shown in the caller's; in the
 * place of files and devices it gets pipes.
 *
 * @module
 */

import { Fd } from "../linux/fd.ts";
import { setMode, setOwner } from "../linux/ownership.ts";
import { type PollEvents, POLLIN, waitForEvents } from "../linux/poll.ts";
import { ownProcessGroup } from "../linux/process.ts";
import { statFd } from "../linux/stat.ts";
import { foregroundGroup, isTerminal, openPty, type Pty } from "../linux/terminal.ts";
import type { LaunchStreams } from "../process/launch.ts";
import { warn } from "../stage1/log.ts";
import { Console } from "./console.ts";
import { InputRelay, isPassable, OutputRelay } from "./relay.ts";

const TERMINAL_MODE = 0o620;
/** Of descriptors 0 to 2, a terminal's output is shown in the first one that is a terminal. */
const SHOWN_IN = [1, 2, 0];
/** How long to wait for a caller who takes nothing, when the command has ended, in milliseconds. */
const REST_PATIENCE = 1000;

const say = (line: string) => warn("enter", line);

/** What {@linkcode CallerStreams} is made of. */
export interface CallerStreamsOptions {
  /** Opens the directory of a devpts, where a terminal is wanted. */
  openTerminals: () => Fd;
  /** The command's user, in the host's numbers. */
  uid: number;
}

/** The streams of a command, passed on until the end of the `using` scope. */
export class CallerStreams implements Disposable {
  /** What the command has. */
  readonly streams: LaunchStreams;
  readonly #opened = new DisposableStack();
  /** What the command alone is to have, once it has begun. */
  readonly #commands = new DisposableStack();
  readonly #outputs: OutputRelay[] = [];
  #input: InputRelay | undefined;
  #console: Console | undefined;

  /** @throws {SyscallError} */
  constructor({ openTerminals, uid }: CallerStreamsOptions) {
    const terminals = SHOWN_IN.filter(isTerminal);
    const pty = terminals.length > 0 ? this.#openPty(openTerminals, uid, terminals) : undefined;
    const ofTerminal = (fd: number) => terminals.includes(fd) ? pty?.slave : undefined;
    const stdout = ofTerminal(1) ?? this.#outputTo(new Fd(1), uid);
    // What goes to one file keeps its order only through one pipe.
    const isSame = statFd(1).identity === statFd(2).identity;
    const stderr = ofTerminal(2) ?? (isSame ? stdout : this.#outputTo(new Fd(2), uid));
    this.streams = {
      fds: [ofTerminal(0) ?? this.#inputFrom(new Fd(0), uid), stdout, stderr],
      hasTerminal: terminals.includes(0),
      isCallers: false,
    };
  }

  /** What to wait for. */
  interests(): PollEvents[] {
    return [...this.#all].flatMap((it) => it.interests());
  }

  /** Passes on what has come. */
  onReady(ready: readonly PollEvents[]): void {
    for (const it of this.#all) it.onReady(ready);
  }

  /** The caller's terminal has another size. */
  resize(): void {
    this.#console?.resize();
  }

  /** Whether the caller has pressed the keys that end the command. */
  get hasEscaped(): boolean {
    return this.#console?.hasEscaped ?? false;
  }

  /**
   * The command has its streams: while this process has them open too, they do not come to their
   * end.
   */
  commandStarted(): void {
    this.#commands.dispose();
  }

  /**
   * Passes on what the command has written before it ended. What it has left running may write
   * more, which is nobody's.
   *
   * @param signals Readable when a signal has come.
   * @param isUrged Takes these, and tells whether somebody is in a hurry.
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
      // The command's own end is told by a signal, too.
      if (ready.some(({ fd }) => fd === urge.fd) && isUrged()) return;
      if ((this.#console?.isDone ?? true) && this.#outputs.every((it) => it.isDone)) return;
    }
  }

  /** Gives the caller's terminal back as it was, and what is unread of its input. */
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

  #openPty(openTerminals: () => Fd, uid: number, terminals: number[]): Pty {
    using devpts = openTerminals();
    const pty = openPty(devpts);
    this.#commands.use(pty.slave);
    setOwner(pty.slave, uid, -1);
    setMode(pty.slave, TERMINAL_MODE);
    // In the background, what is typed is somebody else's.
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

  #inputFrom(caller: Fd, uid: number): Fd {
    if (isPassable(caller)) return caller;
    this.#input = new InputRelay(caller);
    setOwner(this.#input.readEnd, uid, -1);
    return this.#input.readEnd;
  }

  #outputTo(caller: Fd, uid: number): Fd {
    if (isPassable(caller)) return caller;
    const relay = this.#opened.use(new OutputRelay(caller, say));
    this.#outputs.push(relay);
    setOwner(relay.writeEnd, uid, -1);
    return this.#commands.use(relay.writeEnd);
  }
}

/**
 * What is left running can write on and on: it is listened to for so many reads, 64 KiB each at the
 * most.
 */
const MOST_ROUNDS = 64;
