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
import { PodOutput, type PodOutputOptions } from "./output.ts";
import { InputRelay } from "./relay.ts";
import { giveTerminal, type Stdio } from "./stdio.ts";

const CALLER: Readonly<Record<Stream, Fd>> = {
  stdin: new Fd(0),
  stdout: new Fd(1),
  stderr: new Fd(2),
};

/** What {@linkcode Streams} needs. */
export interface StreamsOptions extends PodOutputOptions {
  /** The plan of each app's streams, by the app's name. */
  plans: ReadonlyMap<string, StdioPlan>;
  /** The root of the pod's own devpts; `undefined` when the pod has none. */
  terminals: Fd | undefined;
  /** An open /dev/null. */
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
  readonly #given = new GivenStreams();

  /** @throws {SyscallError} when a stream of the caller is not open, or no terminal can be made. */
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
   * @throws {Error} when a stream cannot be made, or given to the app's user.
   */
  withStdio<T>(app: string, owner: { uid: number; gid: number }, act: (stdio: Stdio) => T): T {
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
    owner: { uid: number; gid: number },
    opened: DisposableStack,
  ): Fd {
    switch (target) {
      case "null":
        return this.#nothing;
      case "caller":
        this.#given.give(CALLER[stream], owner.uid);
        return CALLER[stream];
      case "relay":
        setOwner(this.#input!.readEnd, owner.uid, owner.gid);
        return this.#input!.readEnd;
      case "tty":
        giveTerminal(this.#pty!.slave, owner.uid);
        return this.#pty!.slave;
      case "log":
        return opened.use(this.#output.openStream(app, stream as OutputStream, owner));
    }
  }
}

function hasTerminal(plans: ReadonlyMap<string, StdioPlan>): boolean {
  return [...plans.values()].some((plan) => Object.values(plan).includes("tty"));
}
