/**
 * The loop of a pod that is supervised: it waits for what can happen, and does what
 * {@linkcode PodLife} decides.
 *
 * There is one thread and no event loop: everything that can happen is a descriptor for ppoll(2).
 *
 * @module
 */

import { earliest } from "../linux/clock.ts";
import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN } from "../linux/poll.ts";
import { CATCHABLE_SIGNALS, SIGCONT, SIGKILL } from "../linux/signal_numbers.ts";
import type { End } from "../linux/wait.ts";
import { describeError, ToldError } from "../stage1/entrypoint.ts";
import { withLinesTo } from "../stage1/log.ts";
import { Deadlines } from "./deadlines.ts";
import { IdleMemory } from "./idle_memory.ts";
import { type Action, type ActivePhase, PodLife } from "./life.ts";
import { passOnRest } from "./rest_of_output.ts";
import { ChildProcess, type Running, RunningProcesses } from "./running.ts";
import type { PodChanges, SupervisorHooks } from "./supervised_pod.ts";
import { KERNEL, type SupervisorKernel } from "./supervisor_kernel.ts";
import { SupervisorSignals } from "./supervisor_signals.ts";

/**
 * Starts the apps, and stays until the pod is over. The loop never waits for the reader of what is
 * written.
 *
 * @returns The pod's exit status.
 * @throws {Error} when an app cannot be started, or something else fails that the pod cannot do
 * without; all apps have been asked to end, and have ended, then.
 */
export function supervise(pod: SupervisorHooks, kernel = KERNEL): number {
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
  readonly #signals: SupervisorSignals;
  readonly #kernel: SupervisorKernel;
  readonly #life: PodLife;
  readonly #running = new RunningProcesses();
  readonly #idleMemory: IdleMemory;
  /** When an app that was asked to end is killed. */
  readonly #deadlines = new Deadlines();
  /** Whether somebody has asked the pod to end. */
  #isUrged = false;
  /** What the hooks have been told of the pod, each once. */
  readonly #told = new Set<"allStarted" | "ready" | "stopping">();
  /** The error that ends the pod, if one does. */
  #failure: { error: unknown } | undefined;
  /** Whether the apps' output cannot be passed on any more. */
  #hasLostStreams = false;

  constructor(pod: SupervisorHooks, signals: Fd, kernel: SupervisorKernel) {
    this.#pod = pod;
    this.#kernel = kernel;
    this.#idleMemory = new IdleMemory(kernel.giveBackMemory, pod.debug);
    this.#life = new PodLife(pod.apps, pod.added !== undefined);
    this.#signals = new SupervisorSignals(signals, {
      running: this.#running,
      streams: pod.streams,
      firstProcess: pod.firstProcess,
      isUrged: () => this.#isUrged,
      stop: () => this.#stop(),
      kill: () => this.#kill(),
      firstProcessEnded: () => this.#firstProcessEnded(),
    }, kernel);
    pod.added?.serve(this.#changes());
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

  /** Passes on what apps have written before they ended. */
  passOnRest(): void {
    if (this.#hasLostStreams) return;
    passOnRest({
      streams: this.#pod.streams,
      signals: this.#signals,
      hasFailed: this.#failure !== undefined,
      isUrged: () => this.#isUrged,
      urge: () => this.#isUrged = true,
    }, this.#kernel);
  }

  #handleNext(): void {
    const ready = this.#waitForNext();
    this.#watchMemory(ready);
    this.#passOn(ready);
    this.#pod.notifications.onReady(ready);
    if (this.#pod.streams.hasEscaped) this.#stopAtOnce();
    const fds = new Set(ready.map(({ fd }) => fd));
    // Listed before any descriptor is closed: a process that starts meanwhile may get its number.
    const withNews = this.#running.withNews(fds);
    if (fds.has(this.#signals.fd)) this.#signals.handle();
    for (const running of withNews) this.#takeNews(running, fds);
    this.#pod.requests.onReady(ready);
    this.#tellPhase();
    this.#giveUpWaiting();
  }

  /** Waits for events. When none has come for a while, memory is given back. */
  #waitForNext(): PollEvents[] {
    const { notifications, streams } = this.#pod;
    const isPaused = (notifications.untilNext() ?? streams.untilNext()) !== undefined;
    const ready = this.#kernel.waitForEvents(this.#interests(), this.#untilNext());
    const isQuiet = ready.length === 0 && !isPaused;
    if (isQuiet && this.#untilQuiet() !== undefined) this.#idleMemory.giveBack();
    return ready;
  }

  /** Has kills for memory looked at, as soon as that is due. */
  #watchMemory(ready: readonly PollEvents[]): void {
    const { memory } = this.#pod;
    memory.onReady(ready, this.#now());
    if (memory.dueIn(this.#now()) === 0) memory.look(this.#now());
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
    if (what === "stopping") this.#pod.added?.stopping();
    this.#orFail(() => this.#pod[what]());
  }

  #orFail(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#fail(error);
    }
  }

  #forApp(app: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#failFor(app, error);
    }
  }

  /** An app that has been added is no other's concern: its errors are told. */
  #failFor(app: string, error: unknown): void {
    if (this.#pod.added?.has(app)) this.#pod.streams.say(describeError(error));
    else this.#fail(error);
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

  /** A mutable pod does not end with its apps, so only this tells that none can begin any more. */
  #firstProcessEnded(): void {
    if (!this.#pod.added || this.#life.isStopping) return;
    this.#fail(new Error("the pod's first process has ended"));
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

  #interests(): PollEvents[] {
    const ofStreams = this.#hasLostStreams ? [] : this.#pod.streams.interests();
    return [
      { fd: this.#signals.fd, events: POLLIN },
      ...this.#running.interests(),
      ...ofStreams,
      ...this.#pod.memory.interests(),
      ...this.#pod.notifications.interests(),
      ...this.#pod.requests.interests(),
    ];
  }

  /** Milliseconds until something is to be done without an event; `undefined` means never. */
  #untilNext(): number | undefined {
    return earliest([
      this.#deadlines.untilNext(this.#now()),
      this.#untilQuiet(),
      this.#pod.memory.dueIn(this.#now()),
      this.#pod.notifications.untilNext(),
      this.#pod.requests.untilNext(),
      this.#pod.streams.untilNext(),
    ]);
  }

  /** `undefined` where there is no memory to give back, or something else to wait for first. */
  #untilQuiet(): number | undefined {
    const others = this.#deadlines.untilNext(this.#now()) ?? this.#pod.memory.dueIn(this.#now());
    return others === undefined ? this.#idleMemory.untilQuiet() : undefined;
  }

  #giveUpWaiting(): void {
    for (const app of this.#deadlines.late(this.#now())) {
      this.#deadlines.lift(app);
      this.#perform(this.#life.patienceEnded(app));
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

  #takeNews(running: Running, ready: ReadonlySet<number>): void {
    const end = running.process.endAfter(ready);
    if (end === undefined) return;
    const { app } = running;
    this.#running.remove(running);
    this.#deadlines.lift(app);
    this.#pod.debug(`${app}: ended with ${JSON.stringify(end)}`);
    this.#forApp(app, () => this.#pod.sweep(app));
    // Why it has ended is told before what comes of that.
    this.#pod.memory.look(this.#now());
    this.#tellFailure(running, end);
    this.#perform(this.#life.ended(app, end));
    this.#tellEnd(app);
  }

  /** Tells whoever waits for an app that it has ended, its handlers and all. */
  #tellEnd(app: string): void {
    if (this.#life.phaseOf(app) === "ended") this.#pod.added?.ended(app);
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
        this.#deadlines.set(action.app, this.#now() + action.milliseconds);
    }
  }

  /** Once an error ends the pod, handlers still run after the apps that end. */
  #startIfPossible(app: string, phase: ActivePhase): void {
    if (this.#failure && phase !== "post-stop") return this.#notStarted(app);
    const { added } = this.#pod;
    try {
      this.#pod.debug(`${app}: ${phase}`);
      if (added?.has(app)) added.start(app, phase);
      else this.#start(app, phase);
    } catch (error) {
      this.#notStarted(app);
      this.#failFor(app, error);
    }
  }

  #start(app: string, phase: ActivePhase): void {
    const pid = this.#pod.start(app, phase);
    this.#running.add({ app, phase, process: new ChildProcess(pid, this.#kernel) });
    this.#orFail(() => this.#pod.started(app, pid));
  }

  #notStarted(app: string): void {
    this.#deadlines.lift(app);
    this.#perform(this.#life.notStarted(app));
    this.#tellEnd(app);
  }

  #signal(app: string, signal: number): void {
    const running = this.#running.of(app);
    // Whoever starts it has not done so yet.
    if (running.length === 0) this.#pod.added?.abandonStart(app);
    for (const { process } of running) {
      this.#pod.debug(`${app}: signal ${signal}`);
      process.signal(signal);
      // An app that somebody has stopped has to go on, to be able to end.
      if (signal !== SIGKILL) process.signal(SIGCONT);
    }
  }

  /** Returns how those change the pod who are asked to, while it runs. */
  #changes(): PodChanges {
    const life = this.#life;
    return {
      isStopping: () => life.isStopping,
      phaseOf: (app) => life.phaseOf(app),
      add: (app) => life.add(app),
      remove: (app) => {
        life.remove(app);
        this.#idleMemory.used();
      },
      start: (app) => this.#perform(life.startApp(app)),
      stop: (app) => this.#perform(life.stopApp(app)),
      kill: (app) => this.#signal(app, SIGKILL),
      started: (app, phase, process) => {
        this.#running.add({ app, phase, process });
        this.#idleMemory.used();
      },
      notStarted: (app) => this.#notStarted(app),
    };
  }

  /** Milliseconds on the monotonic clock. */
  #now(): number {
    return this.#kernel.monotonicMilliseconds();
  }
}
