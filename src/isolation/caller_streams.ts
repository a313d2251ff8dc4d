/**
 * The standard streams of a command of `enter`'s: the caller's, but none of the caller's terminals. Who has one of these
 * open can type into it, and read what is typed. The command gets a terminal of the pod's own instead, and what that
 * shows is shown in the caller's.
 *
 * @module
 */

import { Fd, setMode, setOwner } from "../linux/file.ts";
import { type PollEvents, waitForEvents } from "../linux/poll.ts";
import { ownProcessGroup } from "../linux/process.ts";
import { foregroundGroup, isTerminal, openPty, type Pty } from "../linux/terminal.ts";
import { complain } from "../stage1/terminal.ts";
import { Console } from "./console.ts";
import type { Streams } from "./launch.ts";

const TERMINAL_MODE = 0o620;
/** Descriptors 0 to 2. */
const CALLERS = [new Fd(0), new Fd(1), new Fd(2)] as const;
/** Of these, a terminal's output is shown in the first one that is a terminal. */
const SHOWN_IN = [1, 2, 0];

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
  readonly streams: Streams;
  readonly #pty: Pty | undefined;
  readonly #console: Console | undefined;

  /** @throws {SyscallError} */
  constructor({ openTerminals, uid }: CallerStreamsOptions) {
    const terminals = SHOWN_IN.filter(isTerminal);
    const hasTerminal = terminals.includes(0);
    if (terminals.length === 0) {
      this.streams = { fds: CALLERS, hasTerminal, isCallers: false };
      return;
    }
    using devpts = openTerminals();
    const pty = openPty(devpts);
    setOwner(pty.slave, uid, -1);
    setMode(pty.slave, TERMINAL_MODE);
    this.#pty = pty;
    const [stdin, stdout, stderr] = CALLERS;
    const choose = (fd: Fd) => terminals.includes(fd.number) ? pty.slave : fd;
    this.streams = {
      fds: [choose(stdin), choose(stdout), choose(stderr)],
      hasTerminal,
      isCallers: false,
    };
    this.#console = new Console({
      master: pty.master,
      // In the background, what is typed is somebody else's.
      input: hasTerminal && foregroundGroup(0) === ownProcessGroup() ? 0 : undefined,
      output: terminals[0]!,
      complain: (line) => complain("enter", line),
    });
  }

  /** What to wait for. */
  interests(): PollEvents[] {
    return this.#console?.interests() ?? [];
  }

  /** Passes on what has come. */
  onReady(ready: readonly PollEvents[]): void {
    this.#console?.onReady(ready);
  }

  /** The caller's terminal has another size. */
  resize(): void {
    this.#console?.resize();
  }

  /** Whether the caller has pressed the keys that end the command. */
  get hasEscaped(): boolean {
    return this.#console?.hasEscaped ?? false;
  }

  /** The command has its terminal: while this process has it open too, it does not come to its end. */
  commandStarted(): void {
    this.#pty?.slave[Symbol.dispose]();
  }

  /** Shows what the command has shown before it ended. What it has left running may show more, which is nobody's. */
  commandEnded(): void {
    const console = this.#console;
    if (console === undefined) return;
    for (;;) {
      const interests = console.interests();
      const ready = waitForEvents(interests, console.isShowing ? SHOW_PATIENCE : 0);
      if (ready.length === 0) return;
      console.onReady(ready);
      if (console.isDone) return;
    }
  }

  /** Gives the caller's terminal back as it was. */
  [Symbol.dispose](): void {
    this.#console?.[Symbol.dispose]();
  }
}

/** How long to wait for a caller's terminal that shows nothing, in milliseconds. */
const SHOW_PATIENCE = 1000;
