/**
 * The loop of a pod that is supervised: it waits for what can happen, and does what
 * {@linkcode PodLife} decides.
 *
 * There is one thread and no event loop: everything that can happen is a descriptor for ppoll(2).
 *
 * @module
 */

import type { MemoryWatch } from "../cgroup/memory_watch.ts";
import { monotonicMilliseconds } from "../linux/clock.ts";
import type { Fd } from "../linux/fd.ts";
import { STOP_SIGNALS, stopSelf, stopWith } from "../linux/job_control.ts";
import { giveBackMemory } from "../linux/memory.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { type PollEvents, POLLIN, waitForEvents } from "../linux/poll.ts";
import { childrenOf } from "../linux/proc.ts";
import { signalGroupOf } from "../linux/process.ts";
import { reapEnded } from "../linux/reap.ts";
import { isIgnored } from "../linux/signal_actions.ts";
import {
  CATCHABLE_SIGNALS,
  SIGCHLD,
  SIGCONT,
  SIGINT,
  SIGKILL,
  SIGNALS_OF_WRITES,
  SIGQUIT,
  SIGTERM,
  SIGTTOU,
  SIGWINCH,
} from "../linux/signal_numbers.ts";
import { openSignals, readSignals, type Signal, unblockSignals } from "../linux/signals.ts";
import { changeOf, type End, stopOf } from "../linux/wait.ts";
import { BY_FORCE } from "../process/supervisor_process.ts";
import { describeError, ToldError } from "../stage1/entrypoint.ts";
import { type Debug, withLinesTo } from "../stage1/log.ts";
import type { Streams } from "../stream/streams.ts";
import { type Action, type ActivePhase, type Living, PodLife } from "./life.ts";
import type { Notifications } from "./notifications.ts";
import { stopJob } from "./stop_job.ts";

/** The pod as the supervisor acts on it. */
export interface SupervisorHooks {
  /** The apps, in the order in which they start. */
  apps: readonly Living[];
  /** Starts the process of an app's phase, and returns its id. */
  start(app: string, phase: ActivePhase): number;
  /** Records the process that `start` has returned, by which other entrypoints know the app. */
  started(app: string, pid: number): void;
  /** Returns the field of the manifest that says what an app does in a phase. */
  fieldOf(app: string, phase: ActivePhase): string;
  /**
   * Kills what an app's process has left behind. Called after each process of an app, so also
   * between a handler and its app.
   */
  sweep(app: string): void;
  /**
   * Saves an app's exit status. Called once for each app: when it has ended, before its post-stop
   * handler starts, or when it cannot start because its pre-start handler failed.
   */
  saveStatus(app: string, status: number): void;
  /**
   * Called once, when the first process of every app has been started. Of an app with a pre-start
   * handler that is the handler, which may still run then: the app itself starts later.
   */
  begun(): void;
  /**
   * Called once, after `begun`, when every app's own program has been started. It is never called
   * for a pod of which a pre-start handler fails.
   */
  allStarted(): void;
  /** Called once, after `allStarted`, when also every app that tells of itself is ready. */
  ready(): void;
  /** Called once, when the apps have been asked to end. */
  stopping(): void;
  /**
   * Ends every process of the pod, and returns when none is left. Called once, when all apps have
   * ended, or an error has kept the loop from waiting for that.
   */
  end(): void;
  /** The pod's pid 1, if it has one: `end` waits for it, and the loop does not. */
  firstProcess: number | undefined;
  streams: SupervisedStreams;
  memory: SupervisedMemory;
  notifications: SupervisedNotifications;
  debug: Debug;
}

/** What the loop needs of the watch over the pod's memory. */
export type SupervisedMemory = Pick<MemoryWatch, "dueIn" | "interests" | "look" | "onReady">;

/** What the loop needs of what apps tell of themselves. */
export type SupervisedNotifications = Pick<
  Notifications,
  "interests" | "isReady" | "onReady" | "untilNext"
>;

/** What the loop needs of the apps' streams. */
export type SupervisedStreams = Pick<
  Streams,
  | "hasEscaped"
  | "interests"
  | "isDone"
  | "isInBackground"
  | "isShared"
  | "onReady"
  | "podEnded"
  | "resize"
  | "resume"
  | "say"
  | "suspend"
  | "writeLine"
>;

const KERNEL = {
  changeOf,
  childrenOf,
  endOf: reapEnded,
  giveBackMemory,
  isIgnored,
  monotonicMilliseconds,
  openProcess,
  openSignals,
  readSignals,
  signalGroupOf,
  signalProcess,
  stopOf,
  stopSelf,
  stopWith,
  unblockSignals,
  waitForEvents,
};

/** The calls of the kernel that the loop makes. */
export type SupervisorKernel = typeof KERNEL;

/** Signals that ask the pod to end. */
const ENDING: readonly number[] = [SIGTERM, SIGINT, SIGQUIT];

/** Those of them that a shell has its background jobs ignore. `stop` asks by the other one. */
const KEYBOARD: readonly number[] = [SIGINT, SIGQUIT];

/** A process of an app that runs. */
interface Running {
  app: string;
  phase: ActivePhase;
  process: Fd;
  pid: number;
}

/**
 * How many milliseconds there are to pass on the rest of what apps have written, once the pod was
 * asked to end: the reader may have stalled.
 */
const REST_PATIENCE = 3_000;

/**
 * After how many milliseconds without an event a pod counts as one that lives on. The memory that
 * was needed to build it is given back then.
 */
const QUIET = 3_000;

/**
 * Starts the apps, and stays until the pod is over. The loop never waits for the reader of what is
 * written.
 *
 * @returns The pod's exit status.
 * @throws {Error} when an app cannot be started, or something else fails that the pod cannot do
 * without; all apps have been asked to end, and have ended, then.
 */
export function supervise(pod: SupervisorHooks, kernel: SupervisorKernel = KERNEL): number {
  using signals = kernel.openSignals(CATCHABLE_SIGNALS);
  const supervisor = new Supervisor(pod, signals, kernel);
  try {
    return withLinesTo(
      (line) => pod.streams.writeLine(line),
      () => superviseToTheEnd(supervisor),
    );
  } catch (error) {
    // The error's message may wait for a reader, and a signal has to end this process meanwhile.
    kernel.unblockSignals(CATCHABLE_SIGNALS);
    throw error;
  }
}

function superviseToTheEnd(supervisor: Supervisor): number {
  try {
    supervisor.begin();
    while (!supervisor.isOver) supervisor.turn();
  } finally {
    supervisor.end();
  }
  supervisor.passOnRest();
  return supervisor.status();
}

class Supervisor {
  readonly #pod: SupervisorHooks;
  readonly #signals: Fd;
  readonly #kernel: SupervisorKernel;
  readonly #life: PodLife;
  /** The signals of the keyboard that the caller ignores: run has not been asked by them. */
  readonly #ignored: readonly number[];
  /** By the number of the descriptor that holds the process. */
  readonly #running = new Map<number, Running>();
  /** When what was asked to end is killed, on the monotonic clock, in milliseconds. */
  #deadline: number | undefined;
  /** Whether somebody has asked the pod to end. */
  #isUrged = false;
  /** What the hooks have been told of the pod, each once. */
  readonly #told = new Set<"allStarted" | "ready" | "stopping">();
  /** The error that ends the pod, if one does. */
  #failure: { error: unknown } | undefined;
  /** Whether the apps' output cannot be passed on any more. */
  #hasLostStreams = false;
  /** Whether the memory that was needed to build the pod has been given back. */
  #isLean = false;

  constructor(pod: SupervisorHooks, signals: Fd, kernel: SupervisorKernel) {
    this.#pod = pod;
    this.#signals = signals;
    this.#kernel = kernel;
    this.#ignored = KEYBOARD.filter(kernel.isIgnored);
    this.#life = new PodLife(pod.apps);
  }

  get isOver(): boolean {
    return this.#life.isOver;
  }

  /** @throws {Error} the error that has ended the pod, if one has. */
  status(): number {
    if (this.#failure) throw this.#failure.error;
    return this.#life.status;
  }

  begin(): void {
    this.#perform(this.#life.begin());
    if (!this.#failure) this.#orFail(() => this.#pod.begun());
    this.#tellPhase();
  }

  /**
   * Waits for something to happen, and handles it. An error ends the pod in order.
   *
   * @throws {Error} when nothing can be waited for, not even the end of the apps.
   */
  turn(): void {
    const hasFailed = this.#failure !== undefined;
    try {
      this.#handleNext();
    } catch (error) {
      if (hasFailed) throw error;
      this.#fail(error);
    }
  }

  /** Ends what is left of the pod. */
  end(): void {
    this.#orFail(() => this.#pod.end());
  }

  #handleNext(): void {
    const isPaused = this.#pod.notifications.untilNext() !== undefined;
    const ready = this.#kernel.waitForEvents(this.#interests(), this.#untilNext());
    const isQuiet = ready.length === 0 && !isPaused;
    if (isQuiet && this.#untilQuiet() !== undefined) this.#giveBackMemory();
    this.#pod.memory.onReady(ready, this.#now());
    if (this.#pod.memory.dueIn(this.#now()) === 0) this.#pod.memory.look(this.#now());
    this.#passOn(ready);
    this.#pod.notifications.onReady(ready);
    if (this.#pod.streams.hasEscaped) this.#stopAtOnce();
    const fds = new Set(ready.map(({ fd }) => fd));
    if (fds.has(this.#signals.number)) this.#handleSignals();
    // Listed before any is reaped: a process that starts meanwhile may get the number of a
    // descriptor that has just been closed.
    const ended = [...this.#running].filter(([fd]) => fds.has(fd));
    for (const [, running] of ended) this.#reap(running);
    this.#tellPhase();
    if (this.#remaining() === 0) this.#giveUpWaiting();
  }

  /**
   * Passes on what apps have written before they ended. Once the pod was asked to end, that takes
   * {@linkcode REST_PATIENCE} at most. When it is asked again meanwhile, the rest is dropped.
   */
  passOnRest(): void {
    const { streams } = this.#pod;
    if (this.#hasLostStreams) return;
    streams.podEnded();
    const isShort = this.#isUrged || this.#failure;
    this.#deadline = isShort ? this.#now() + REST_PATIENCE : undefined;
    const signal = { fd: this.#signals.number, events: POLLIN };
    while (!streams.isDone && this.#remaining() !== 0) {
      const ready = this.#kernel.waitForEvents([signal, ...streams.interests()], this.#remaining());
      const isAsked = ready.some(({ fd }) => fd === signal.fd) && this.#isAskedAgain();
      if (isAsked && this.#isUrged) return;
      if (isAsked) {
        this.#isUrged = true;
        this.#deadline = this.#now() + REST_PATIENCE;
      }
      streams.onReady(ready);
    }
  }

  #tellPhase(): void {
    const hasStarted = this.#life.isReady && !this.#failure;
    if (hasStarted) this.#tellOnce("allStarted");
    if (hasStarted && this.#pod.notifications.isReady) this.#tellOnce("ready");
    if (this.#life.isStopping) this.#tellOnce("stopping");
  }

  #tellOnce(what: "allStarted" | "ready" | "stopping"): void {
    if (this.#told.has(what)) return;
    this.#told.add(what);
    this.#orFail(() => this.#pod[what]());
  }

  #orFail(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * Asks the apps to end because of an error. It becomes the pod's; others that follow from it, or
   * come while the pod ends, are only told.
   */
  #fail(error: unknown): void {
    // Of an error that nobody has to wait for, the line is written when it is thrown.
    const isTold = this.#failure !== undefined || this.#running.size > 0;
    if (isTold) this.#pod.streams.say(describeError(error));
    if (this.#failure) return;
    this.#failure = { error: isTold ? new ToldError(error) : error };
    this.#perform(this.#life.fail());
  }

  /** Without its output, an app is of no use. */
  #passOn(ready: readonly PollEvents[]): void {
    if (this.#hasLostStreams) return;
    try {
      this.#pod.streams.onReady(ready);
    } catch (error) {
      this.#hasLostStreams = true;
      this.#fail(error);
    }
  }

  /** Tells whether a signal asks the pod to end, when no process of it is left. */
  #isAskedAgain(): boolean {
    const signals = this.#kernel.readSignals(this.#signals);
    for (const { number } of signals) if (STOP_SIGNALS.includes(number)) this.#suspend(number);
    return signals.some(({ number }) => ENDING.includes(number) && !this.#ignored.includes(number));
  }

  #interests(): PollEvents[] {
    const fds = [this.#signals.number, ...this.#running.keys()];
    const ofStreams = this.#hasLostStreams ? [] : this.#pod.streams.interests();
    return [
      ...fds.map((fd) => ({ fd, events: POLLIN })),
      ...ofStreams,
      ...this.#pod.memory.interests(),
      ...this.#pod.notifications.interests(),
    ];
  }

  /** Milliseconds until something is to be done without an event; `undefined` means never. */
  #untilNext(): number | undefined {
    const times = [
      this.#remaining(),
      this.#untilQuiet(),
      this.#pod.memory.dueIn(this.#now()),
      this.#pod.notifications.untilNext(),
    ];
    const known = times.filter((time) => time !== undefined);
    return known.length > 0 ? Math.min(...known) : undefined;
  }

  #remaining(): number | undefined {
    if (this.#deadline === undefined) return undefined;
    return Math.max(0, this.#deadline - this.#now());
  }

  /** `undefined` where there is no memory to give back, or something else to wait for first. */
  #untilQuiet(): number | undefined {
    const others = this.#deadline ?? this.#pod.memory.dueIn(this.#now());
    return this.#isLean || others !== undefined ? undefined : QUIET;
  }

  /** A failure is no reason to end the pod. */
  #giveBackMemory(): void {
    this.#isLean = true;
    try {
      this.#kernel.giveBackMemory();
    } catch (error) {
      this.#pod.debug(`memory is not given back: ${describeError(error)}`);
    }
  }

  #giveUpWaiting(): void {
    this.#deadline = undefined;
    this.#perform(this.#life.patienceEnded());
  }

  #handleSignals(): void {
    for (const signal of this.#kernel.readSignals(this.#signals)) this.#handleSignal(signal);
  }

  /**
   * All but SIGKILL and SIGSTOP come here. What does not concern the pod itself is for the apps.
   */
  #handleSignal(signal: Signal): void {
    const { number, pid, isKernels } = signal;
    if (number === SIGCHLD) return this.#lookAtChildren();
    // The kernel sends a terminal's signals to the apps in the caller's session as well.
    if (isKernels && this.#pod.streams.isShared) return;
    if (ENDING.includes(number)) return this.#handleEnding(signal);
    if (STOP_SIGNALS.includes(number) && !this.#pod.streams.isShared) return this.#suspend(number);
    if (number === SIGCONT) this.#regainTerminal();
    if (number === SIGWINCH) this.#pod.streams.resize();
    // A size that has changed is no concern of an app without a terminal.
    if (number === SIGWINCH && isKernels) return;
    if (!SIGNALS_OF_WRITES.includes(number) || pid !== Deno.pid) this.#signalAll(number);
  }

  #handleEnding({ number, value }: Signal): void {
    if (value === BY_FORCE) this.#kill();
    else if (!this.#ignored.includes(number)) this.#stop();
  }

  #lookAtChildren(): void {
    this.#reapStrangers();
    if (this.#pod.streams.isShared) { for (const app of this.#running.values()) this.#follow(app); }
  }

  /**
   * Stops together with an app that its terminal has stopped: the shell waits for this process, and
   * takes the terminal back when that stops.
   */
  #follow({ pid, process }: Running): void {
    const signal = this.#kernel.stopOf(pid);
    if (signal === undefined) return;
    this.#kernel.stopWith(pid, signal);
    // Nobody has let this process go on that has not been stopped.
    if (!this.#handleOthers(this.#kernel.readSignals(this.#signals))) return;
    this.#kernel.signalProcess(process, SIGCONT);
    this.#kernel.signalGroupOf(pid, SIGCONT);
  }

  /**
   * Stops this process with the apps, which are in sessions of their own, where the shell's signals
   * do not reach them. Each leads a process group, and those that it has not made itself are in it.
   */
  #suspend(signal: number): void {
    const job = {
      signalPrograms: (number: number) => this.#signalGroups(number),
      streams: this.#pod.streams,
      readSignals: () => this.#kernel.readSignals(this.#signals),
      ending: ENDING,
    };
    this.#handleOthers(stopJob(signal, job, this.#kernel.stopSelf));
  }

  /**
   * Handles the signals that have come while this process was stopped, but for the one that let it
   * go on.
   *
   * @returns Whether there was that one.
   */
  #handleOthers(signals: readonly Signal[]): boolean {
    const others = signals.filter(({ number }) => number !== SIGCONT);
    for (const signal of others) this.#handleSignal(signal);
    return others.length < signals.length;
  }

  /** Whoever stopped this process by SIGSTOP may have used the terminal since. */
  #regainTerminal(): void {
    const { streams } = this.#pod;
    if (!streams.isInBackground) streams.resume();
    else if (!this.#isUrged) this.#suspend(SIGTTOU);
  }

  /** An app can make children of this process, by `CLONE_PARENT`. They would stay zombies. */
  #reapStrangers(): void {
    const known = new Set([...this.#running.values()].map(({ pid }) => pid));
    for (const pid of this.#kernel.childrenOf(Deno.pid)) {
      if (!known.has(pid) && pid !== this.#pod.firstProcess) this.#kernel.changeOf(pid);
    }
  }

  #stop(): void {
    this.#isUrged = true;
    this.#perform(this.#life.stop());
  }

  #kill(): void {
    this.#isUrged = true;
    this.#perform(this.#life.kill());
  }

  #stopAtOnce(): void {
    this.#isUrged = true;
    this.#perform(this.#life.hurry());
  }

  #reap(running: Running): void {
    const end = this.#kernel.endOf(running.pid);
    this.#running.delete(running.process.number);
    running.process[Symbol.dispose]();
    this.#pod.debug(`${running.app}: ended with ${JSON.stringify(end)}`);
    this.#orFail(() => this.#pod.sweep(running.app));
    // Why it has ended is told before what comes of that.
    this.#pod.memory.look(this.#now());
    this.#tellFailure(running, end);
    this.#perform(this.#life.ended(running.app, end));
  }

  /** Reports the failure of a handler. An app's own end is told by the exit status. */
  #tellFailure({ app, phase }: Running, end: End): void {
    if (phase === "running" || ("status" in end && end.status === 0)) return;
    const how = "status" in end
      ? `ended with status ${end.status}`
      : `ended by signal ${end.signal}`;
    this.#pod.streams.say(`${this.#pod.fieldOf(app, phase)}: ${how}`);
  }

  #perform(actions: readonly Action[]): void {
    for (const action of actions) this.#performOne(action);
  }

  #performOne(action: Action): void {
    switch (action.do) {
      case "start":
        return this.#startIfPossible(action.app, action.phase);
      case "signal":
        return this.#signal(action.app, action.signal);
      case "save-status":
        return this.#orFail(() => this.#pod.saveStatus(action.app, action.status));
      case "wait":
        this.#deadline = this.#now() + action.milliseconds;
    }
  }

  /** Once an error ends the pod, handlers still run after the apps that end. */
  #startIfPossible(app: string, phase: ActivePhase): void {
    if (this.#failure && phase !== "post-stop") return this.#perform(this.#life.notStarted(app));
    try {
      this.#start(app, phase);
    } catch (error) {
      this.#perform(this.#life.notStarted(app));
      this.#fail(error);
    }
  }

  #start(app: string, phase: ActivePhase): void {
    this.#pod.debug(`${app}: ${phase}`);
    const pid = this.#pod.start(app, phase);
    // The number of a child stays the child's until it has been waited for.
    const process = this.#kernel.openProcess(pid)!;
    this.#running.set(process.number, { app, phase, process, pid });
    this.#orFail(() => this.#pod.started(app, pid));
  }

  #signal(app: string, signal: number): void {
    const running = [...this.#running.values()].filter((it) => it.app === app);
    for (const { process } of running) {
      this.#pod.debug(`${app}: signal ${signal}`);
      this.#kernel.signalProcess(process, signal);
      // An app that somebody has stopped has to go on, to be able to end.
      if (signal !== SIGKILL) this.#kernel.signalProcess(process, SIGCONT);
    }
  }

  /** A process that is about to lead a group, and does not yet, is signalled alone. */
  #signalGroups(signal: number): void {
    for (const { pid, process } of this.#running.values()) {
      this.#kernel.signalProcess(process, signal);
      this.#kernel.signalGroupOf(pid, signal);
    }
  }

  #signalAll(signal: number): void {
    for (const { process } of this.#running.values()) this.#kernel.signalProcess(process, signal);
  }

  /** Milliseconds on the monotonic clock. */
  #now(): number {
    return this.#kernel.monotonicMilliseconds();
  }
}
