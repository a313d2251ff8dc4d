/**
 * The standard streams of a pod's apps: where they come from, and what passes on what they carry.
 *
 * @module
 */

import { Fd } from "../linux/fd.ts";
import { setMode, setOwner } from "../linux/ownership.ts";
import type { PollEvents } from "../linux/poll.ts";
import { openPty, type Pty } from "../linux/terminal.ts";
import type { StdioPlan, Stream, StreamTarget } from "../plan/stdio.ts";
import { Console } from "./console.ts";
import { type OutputStream, PodOutput, type PodOutputOptions } from "./output.ts";
import { InputRelay } from "./relay.ts";

/** What a process of an app has as its standard streams: descriptors of this process. */
export interface Stdio {
  fds: readonly [stdin: Fd, stdout: Fd, stderr: Fd];
  /** Whether the first one is a terminal, which the process is to control. */
  hasTerminal: boolean;
  /** Whether the first one is the caller's: the process then belongs to the caller's session. */
  isCallers: boolean;
}

const CALLER: Readonly<Record<Stream, Fd>> = {
  stdin: new Fd(0),
  stdout: new Fd(1),
  stderr: new Fd(2),
};
const TERMINAL_MODE = 0o620;

/** What {@linkcode Streams} is made of. */
export interface StreamsOptions extends PodOutputOptions {
  /** What each app has, by name. */
  plans: ReadonlyMap<string, StdioPlan>;
  /** The pod's terminals, if it has its own. */
  terminals: Fd | undefined;
  /** What reads as nothing, and takes anything: /dev/null. */
  nothing: Fd;
}

/** The streams of all apps of a pod. */
export class Streams implements Disposable {
  readonly #plans: ReadonlyMap<string, StdioPlan>;
  readonly #output: PodOutput;
  readonly #nothing: Fd;
  readonly #input: InputRelay | undefined;
  readonly #pty: Pty | undefined;
  readonly #console: Console | undefined;
  readonly #isIsolated: boolean;

  /** @throws {SyscallError} */
  constructor(options: StreamsOptions) {
    this.#plans = options.plans;
    this.#isIsolated = options.terminals !== undefined;
    this.#nothing = options.nothing;
    const isRelayed = [...options.plans.values()].some(({ stdin }) => stdin === "relay");
    this.#input = isRelayed ? new InputRelay(CALLER.stdin) : undefined;
    this.#output = new PodOutput(options);
    if (!options.terminals || !hasTerminal(options.plans)) return;
    this.#pty = openPty(options.terminals);
    this.#console = new Console({
      master: this.#pty.master,
      input: CALLER.stdin.number,
      output: CALLER.stdout.number,
      warn: (line) => this.#output.say(line),
    });
  }

  /** Whether an app belongs to the caller's session, and so gets its terminal's signals by itself. */
  get isShared(): boolean {
    return !this.#isIsolated && [...this.#plans.values()].some((plan) => plan.stdin === "caller");
  }

  /** What an app has as its console: a path in its root. */
  consoleOf(app: string): string {
    const hasTerminal = this.#plans.get(app)?.stdin === "tty";
    return hasTerminal && this.#pty ? `/dev/pts/${this.#pty.number}` : "/dev/null";
  }

  /**
   * Opens the streams of an app's process for as long as it takes to start it.
   *
   * @throws {SyscallError}
   */
  withStdio<T>(app: string, owner: { uid: number; gid: number }, act: (stdio: Stdio) => T): T {
    const plan = this.#plans.get(app)!;
    using opened = new DisposableStack();
    const open = (stream: Stream) => this.#open(app, stream, plan[stream], owner, opened);
    const fds = [open("stdin"), open("stdout"), open("stderr")] as const;
    return act({
      fds,
      hasTerminal: plan.stdin === "tty",
      // With namespaces of its own, the pod has terminals; there, nothing of it is in the caller's session.
      isCallers: plan.stdin === "caller" && !this.#isIsolated,
    });
  }

  /** Says which process an app is, for the prefix of its lines. */
  appStarted(app: string, pid: number): void {
    this.#output.appStarted(app, pid);
  }

  /** Says something of `run`'s own, behind what the apps have said. */
  say(text: string): void {
    this.#output.say(text);
  }

  /** Writes a line to the caller's standard error, without waiting for its reader. */
  writeLine(line: string): void {
    this.#output.writeLine(line);
  }

  /** What to wait for. */
  interests(): PollEvents[] {
    const others = [this.#console, this.#input];
    return [...this.#output.interests(), ...others.flatMap((it) => it?.interests() ?? [])];
  }

  /** Passes on what has come. */
  onReady(ready: readonly PollEvents[]): void {
    this.#output.onReady(ready);
    this.#console?.onReady(ready);
    this.#input?.onReady(ready);
  }

  /** The caller's terminal has another size. */
  resize(): void {
    this.#console?.resize();
  }

  /** Whether the caller has pressed the keys that end the pod. */
  get hasEscaped(): boolean {
    return this.#console?.hasEscaped ?? false;
  }

  /** No process of the pod is left. */
  podEnded(): void {
    this.#output.podEnded();
    // While this end is open, the terminal does not come to its end.
    this.#pty?.slave[Symbol.dispose]();
  }

  /** Whether all that was written has been passed on. */
  get isDone(): boolean {
    return this.#output.isDone && (this.#console?.isDone ?? true);
  }

  [Symbol.dispose](): void {
    this.#console?.[Symbol.dispose]();
    this.#output[Symbol.dispose]();
    this.#input?.[Symbol.dispose]();
  }

  #open(
    app: string,
    stream: Stream,
    target: StreamTarget,
    owner: { uid: number; gid: number },
    opened: DisposableStack,
  ): Fd {
    switch (target) {
      case "null":
        return this.#nothing;
      case "caller":
        return CALLER[stream];
      case "relay":
        setOwner(this.#input!.readEnd, owner.uid, owner.gid);
        return this.#input!.readEnd;
      case "tty":
        return giveTerminal(this.#pty!.slave, owner.uid);
      case "log":
        return opened.use(this.#output.openStream(app, stream as OutputStream, owner));
    }
  }
}

function hasTerminal(plans: ReadonlyMap<string, StdioPlan>): boolean {
  return [...plans.values()].some((plan) => Object.values(plan).includes("tty"));
}

function giveTerminal(slave: Fd, uid: number): Fd {
  setOwner(slave, uid, -1);
  setMode(slave, TERMINAL_MODE);
  return slave;
}
