/**
 * The standard streams of a pod's apps: they are opened here, and what they carry is passed on.
 *
 * @module
 */

import { earliest } from "../linux/clock.ts";
import { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { setOwner } from "../linux/ownership.ts";
import type { PollEvents } from "../linux/poll.ts";
import { openPty, type Pty } from "../linux/terminal.ts";
import { quoteText } from "../linux/text.ts";
import { describeMissing } from "../plan/endpoints.ts";
import {
  isAttachable,
  isShownTarget,
  isTerminalTarget,
  type OutputStream,
  type StdioPlan,
  type Stream,
  STREAMS,
  type StreamTarget,
} from "../plan/stdio.ts";
import type { Endpoint } from "../stage1/arguments.ts";
import { withContext } from "../stage1/context.ts";
import {
  AttachableApp,
  type AttachListener,
  type Attachment,
  type AttachRequest,
} from "./attachable_app.ts";
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

/** A process whose streams are opened. */
export interface StreamsProcess {
  app: string;
  /** Whether it is an event handler of the app: nobody attaches to it, and it reads nothing. */
  isHandler: boolean;
  /** Its user; undefined if whoever starts it gives the streams to that user. */
  owner: StreamOwner | undefined;
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
  /** The apps to which clients attach, by their names. */
  readonly #attachable = new Map<string, AttachableApp>();
  readonly #terminals: Fd | undefined;
  readonly #output: PodOutput;
  readonly #nothing: Fd;
  readonly #input: InputRelay | undefined;
  /** The terminal that is shown in the caller's. */
  readonly #pty: Pty | undefined;
  readonly #console: Console | undefined;
  /** Whether clients attach to the terminal that is shown in the caller's. */
  readonly #isFed: boolean = false;
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
    this.#terminals = options.terminals;
    for (const [app, streams] of options.apps) this.addApp(app, streams);
    if (!plans.some((plan) => STREAMS.some((stream) => isShownTarget(plan[stream])))) return;
    this.#isFed = plans.some((plan) => STREAMS.some((stream) => plan[stream] === "shared-tty"));
    this.#pty = this.#withTerminals(openPty);
    this.#console = new Console({
      master: this.#pty.master,
      input: CALLER.stdin.number,
      output: CALLER.stdout.number,
      isFed: this.#isFed,
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
    const canAttach = STREAMS.some((stream) => isAttachable(streams.stdio[stream]));
    if (canAttach) this.#attachable.set(app, new AttachableApp(app, streams.stdio));
  }

  /**
   * Removes an app of which no process is left, and all that is held for it. What it has written is
   * passed on first.
   *
   * @returns What only a process that ends may close, if there is such.
   * @throws {SyscallError} when that cannot be read.
   */
  removeApp(app: string): Fd | undefined {
    this.appEnded(app);
    this.#plans.delete(app);
    const left = this.#output.removeApp(app);
    this.#attachable.get(app)?.[Symbol.dispose]();
    this.#attachable.delete(app);
    return left;
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
  withStdio<T>(process: StreamsProcess, act: (stdio: Stdio) => T): T {
    const { app, isHandler } = process;
    const plan = this.#streamsOf(process);
    this.#output.appStarting(app);
    using opened = new DisposableStack();
    const fds = withContext(`app "${app}": its streams cannot be made`, () => {
      if (!isHandler) this.#prepare(app);
      const terminal = this.#openTerminal(process, plan);
      const open = (stream: Stream) => this.#open(process, stream, plan[stream], terminal, opened);
      return [open("stdin"), open("stdout"), open("stderr")] as const;
    });
    return act({
      fds,
      hasTerminal: isTerminalTarget(plan.stdin),
      // No process of a pod with namespaces of its own is in the caller's session.
      isCallers: plan.stdin === "caller" && !this.#isIsolated,
    });
  }

  /**
   * Notes that a process of an app is about to begin whose streams were opened before. Where they
   * are opened, that is noted by itself.
   */
  appStarting(app: string): void {
    this.#output.appStarting(app);
  }

  /** Notes the pid of an app's process, for the prefix of its lines. */
  appStarted(app: string, pid: number): void {
    this.#output.appStarted(app, pid);
    this.#attachable.get(app)?.started();
  }

  /**
   * Notes that an app's own process has ended, or could not be started. Who is attached to it gets
   * what it has written, and is let go.
   *
   * @throws {SyscallError} when that cannot be read.
   */
  appEnded(app: string): void {
    this.#output.appStartEnded(app);
    const attachable = this.#attachable.get(app);
    if (attachable === undefined) return;
    this.#output.appEnded(app);
    attachable.ended();
  }

  /**
   * Lists what of an app can be attached to.
   *
   * @throws {Error} when that is nothing, or the app does not run.
   */
  endpoints(app: string): Endpoint[] {
    return this.#findAttachable(app).endpoints();
  }

  /**
   * Attaches a client to an app.
   *
   * @throws {Error} when the app does not run, or has no such endpoints.
   */
  attach(app: string, request: AttachRequest, listener: AttachListener): Attachment {
    return this.#findAttachable(app).attach(request, listener);
  }

  /** Returns how many milliseconds there are until something is to be done without an event. */
  untilNext(): number | undefined {
    return earliest([...this.#attachable.values()].map((app) => app.untilNext()));
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
    const others = [this.#console, this.#input, ...this.#attachable.values()];
    return [...this.#output.interests(), ...others.flatMap((it) => it?.interests() ?? [])];
  }

  /** Passes on what has arrived. */
  onReady(ready: readonly PollEvents[]): void {
    this.#output.onReady(ready);
    this.#console?.onReady(ready);
    this.#input?.onReady(ready);
    const fds = new Set(ready.map(({ fd }) => fd));
    for (const app of this.#attachable.values()) app.onReady(fds);
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
    for (const app of this.#attachable.keys()) this.appEnded(app);
    this.#output.podEnded();
    // As long as its slave is open here, the terminal does not come to its end.
    this.#pty?.slave[Symbol.dispose]();
  }

  /** Whether all output has been passed on. */
  get isDone(): boolean {
    return this.#output.isDone && (this.#console?.isDone ?? true) &&
      [...this.#attachable.values()].every(({ isDone }) => isDone);
  }

  [Symbol.dispose](): void {
    this.#given[Symbol.dispose]();
    this.#console?.[Symbol.dispose]();
    this.#output[Symbol.dispose]();
    this.#input?.[Symbol.dispose]();
    for (const app of this.#attachable.values()) app[Symbol.dispose]();
  }

  /** @throws {Error} that says what the app has instead. */
  #findAttachable(app: string): AttachableApp {
    const found = this.#attachable.get(app);
    if (found) return found;
    const plan = this.#plans.get(app);
    throw new Error(
      plan ? describeMissing(app, plan, undefined) : `the pod has no app ${quoteText(app)}`,
    );
  }

  /**
   * Returns where the streams of a process lead. What clients attach to is the app's own: a handler
   * reads nothing, and what it writes is only logged.
   */
  #streamsOf({ app, isHandler }: StreamsProcess): StdioPlan {
    const plan = this.#plans.get(app)!;
    const isOfApp = (target: StreamTarget) =>
      isAttachable(target) || (target === "console" && this.#isFed);
    if (!isHandler || !STREAMS.some((stream) => isOfApp(plan[stream]))) return plan;
    const output = (stream: OutputStream) => isOfApp(plan[stream]) ? "stream" : plan[stream];
    return {
      stdin: isOfApp(plan.stdin) ? "null" : plan.stdin,
      stdout: output("stdout"),
      stderr: output("stderr"),
    };
  }

  /** Ends what is left of an earlier process of an app. */
  #prepare(app: string): void {
    this.appEnded(app);
    this.#attachable.get(app)?.prepare();
  }

  /** Opens the terminal of an app's own process, and has what it shows passed on. */
  #openTerminal({ app, owner }: StreamsProcess, plan: StdioPlan): Fd | undefined {
    if (!STREAMS.some((stream) => isTerminalTarget(plan[stream]))) return undefined;
    const pty = this.#pty ?? this.#withTerminals(openPty);
    if (!this.#pty || this.#isFed) {
      const attachable = this.#attachable.get(app)!;
      attachable.setTerminal(pty, pty !== this.#pty);
      const screen = this.#console ? [this.#console.feed] : [];
      this.#output.addTerminal(app, pty.master, [attachable.feedOf("tty"), ...screen]);
    }
    if (owner) giveTerminal(pty.slave, owner.uid);
    return pty.slave;
  }

  /** Lends the directory of the pod's terminals, or the host's where the pod has none. */
  #withTerminals<T>(act: (terminals: Fd) => T): T {
    if (this.#terminals) return act(this.#terminals);
    using hosts = openFile("/dev/pts", O_PATH | O_DIRECTORY);
    return act(hosts);
  }

  #open(
    { app, isHandler, owner }: StreamsProcess,
    stream: Stream,
    target: StreamTarget,
    terminal: Fd | undefined,
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
      case "console":
      case "tty":
      case "shared-tty":
        return terminal!;
      case "log":
        return opened.use(this.#output.openStream(app, stream as OutputStream, owner));
      case "stream":
        return opened.use(this.#openAttached(app, isHandler, stream, owner));
    }
  }

  #openAttached(
    app: string,
    isHandler: boolean,
    stream: Stream,
    owner: StreamOwner | undefined,
  ): Fd {
    const attachable = this.#attachable.get(app)!;
    if (stream === "stdin") {
      const readEnd = attachable.openInput();
      if (owner) setOwner(readEnd, owner.uid, owner.gid);
      return readEnd;
    }
    const others = isHandler ? [] : [attachable.feedOf(stream)];
    return this.#output.openStream(app, stream, owner, others);
  }
}
