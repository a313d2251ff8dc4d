/**
 * The standard streams of a pod's apps: they are opened here, and what they carry is passed on.
 *
 * @module
 */

import { Fd } from "../linux/fd.ts";
import { setOwner } from "../linux/ownership.ts";
import type { PollEvents } from "../linux/poll.ts";
import { openPty, type Pty } from "../linux/terminal.ts";
import type { OutputStream, StdioPlan, Stream, StreamTarget } from "../plan/stdio.ts";
import { withContext } from "../stage1/context.ts";
import { Console } from "./console.ts";
import { GivenStreams } from "./given_streams.ts";
import { type AppOutput, PodOutput, type PodOutputOptions, type StreamOwner } from "./output.ts";
import { InputRelay } from "./relay.ts";
import { giveTerminal, type Stdio } from "./stdio.ts";

const CALLER: Readonly<Record<Stream, Fd>> = {
  stdin: new Fd(0),
  stdout: new Fd(1),
  stderr: new Fd(2),
};

/** The streams of an app, before they are opened. */
export interface AppStreams extends AppOutput {
  stdio: StdioPlan;
}

/** What {@linkcode Streams} needs. */
export interface StreamsOptions extends PodOutputOptions {
  /** The apps that the pod has from the beginning, by their names. */
  apps: ReadonlyMap<string, AppStreams>;
  /** The root of the pod's own devpts; `undefined` when the pod has none. */
  terminals: Fd | undefined;
  /** An open /dev/null. */
  nothing: Fd;
}

/** The streams of all apps of a pod. */
export class Streams implements Disposable {
  readonly #plans = new Map<string, StdioPlan>();
  readonly #output: PodOutput;
  readonly #nothing: Fd;
  readonly #input: InputRelay | undefined;
  readonly #pty: Pty | undefined;
  readonly #console: Console | undefined;
  readonly #isIsolated: boolean;
  readonly #given = new GivenStreams();

  /**
   * @throws {SyscallError} when a stream of the caller is not open, or no terminal can be made.
   * @throws {Error} when an app is to be logged to a journal, and the host has none.
   */
  constructor(options: StreamsOptions) {
    const plans = [...options.apps.values()].map(({ stdio }) => stdio);
    this.#isIsolated = options.terminals !== undefined;
    this.#nothing = options.nothing;
    const isRelayed = plans.some(({ stdin }) => stdin === "relay");
    this.#input = isRelayed ? new InputRelay(CALLER.stdin) : undefined;
    this.#output = new PodOutput(options);
    for (const [app, streams] of options.apps) this.addApp(app, streams);
    if (!options.terminals || !plans.some(hasTerminal)) return;
    this.#pty = openPty(options.terminals);
    this.#console = new Console({
      master: this.#pty.master,
      input: CALLER.stdin.number,
      output: CALLER.stdout.number,
      warn: (line) => this.#output.say(line),
    });
  }

  /**
   * Adds an app, before its streams are opened.
   *
   * @throws {Error} when it is to be logged to a journal, and the host has none.
   */
  addApp(app: string, streams: AppStreams): void {
    this.#output.addApp(app, streams);
    this.#plans.set(app, streams.stdio);
  }

  /**
   * Removes an app of which no process is left, and all that is held for it. What it has written is
   * passed on first.
   *
   * @throws {SyscallError} when that cannot be read.
   */
  removeApp(app: string): void {
    this.#plans.delete(app);
    this.#output.removeApp(app);
  }

  /** Whether a stream of the caller's is to be given back, which takes `CAP_CHOWN`. */
  get hasGiven(): boolean {
    return this.#given.all.length > 0;
  }

  /** Whether an app belongs to the caller's session, so that the terminal's signals reach it. */
  get isShared(): boolean {
    return !this.#isIsolated && [...this.#plans.values()].some((plan) => plan.stdin === "caller");
  }

  /**
   * Opens the streams of an app's process for as long as `act` takes to start it.
   *
   * @param owner The program's user; undefined if whoever starts it gives them to that user.
   * @throws {Error} when a stream cannot be made, or given to the app's user.
   */
  withStdio<T>(app: string, owner: StreamOwner | undefined, act: (stdio: Stdio) => T): T {
    const plan = this.#plans.get(app)!;
    using opened = new DisposableStack();
    const open = (stream: Stream) => this.#open(app, stream, plan[stream], owner, opened);
    const fds = withContext(
      `app "${app}": its streams cannot be made`,
      () => [open("stdin"), open("stdout"), open("stderr")] as const,
    );
    return act({
      fds,
      hasTerminal: plan.stdin === "tty",
      // No process of a pod with namespaces of its own is in the caller's session.
      isCallers: plan.stdin === "caller" && !this.#isIsolated,
    });
  }

  /** Notes the pid of an app's process, for the prefix of its lines. */
  appStarted(app: string, pid: number): void {
    this.#output.appStarted(app, pid);
  }

  /** Writes a line of `run` itself, behind what the apps have written. */
  say(text: string): void {
    this.#output.say(text);
  }

  /** Writes a line to the caller's standard error, without waiting for its reader. */
  writeLine(line: string): void {
    this.#output.writeLine(line);
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    const others = [this.#console, this.#input];
    return [...this.#output.interests(), ...others.flatMap((it) => it?.interests() ?? [])];
  }

  /** Passes on what has arrived. */
  onReady(ready: readonly PollEvents[]): void {
    this.#output.onReady(ready);
    this.#console?.onReady(ready);
    this.#input?.onReady(ready);
  }

  /** Gives the app's terminal the size of the caller's: to be called after SIGWINCH. */
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

  /** Whether the caller has pressed the keys that end the pod. */
  get hasEscaped(): boolean {
    return this.#console?.hasEscaped ?? false;
  }

  /** Notes that no process of the pod is left. */
  podEnded(): void {
    this.#output.podEnded();
    // As long as its slave is open here, the terminal does not come to its end.
    this.#pty?.slave[Symbol.dispose]();
  }

  /** Whether all output has been passed on. */
  get isDone(): boolean {
    return this.#output.isDone && (this.#console?.isDone ?? true);
  }

  [Symbol.dispose](): void {
    this.#given[Symbol.dispose]();
    this.#console?.[Symbol.dispose]();
    this.#output[Symbol.dispose]();
    this.#input?.[Symbol.dispose]();
  }

  #open(
    app: string,
    stream: Stream,
    target: StreamTarget,
    owner: StreamOwner | undefined,
    opened: DisposableStack,
  ): Fd {
    switch (target) {
      case "null":
        return this.#nothing;
      case "caller":
        if (owner) this.#given.give(CALLER[stream], owner.uid);
        return CALLER[stream];
      case "relay":
        if (owner) setOwner(this.#input!.readEnd, owner.uid, owner.gid);
        return this.#input!.readEnd;
      case "tty":
        if (owner) giveTerminal(this.#pty!.slave, owner.uid);
        return this.#pty!.slave;
      case "log":
        return opened.use(this.#output.openStream(app, stream as OutputStream, owner));
    }
  }
}

function hasTerminal(plan: StdioPlan): boolean {
  return Object.values(plan).includes("tty");
}
