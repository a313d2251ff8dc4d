/**
 * The loop of a pod that is supervised: it waits for what can happen, and does what {@linkcode PodLife} says to.
 *
 * One thread, no event loop: everything that can happen is a descriptor for ppoll(2).
 *
 * @module
 */

import { monotonicMicroseconds } from "../linux/clock.ts";
import type { Fd } from "../linux/fd.ts";
import { giveBackMemory } from "../linux/memory.ts";
import { type PollEvents, POLLIN, waitForEvents } from "../linux/poll.ts";
import {
  changeOf,
  childrenOf,
  type End,
  endOf,
  openProcess,
  SIGCHLD,
  signalProcess,
  SIGTERM,
} from "../linux/process.ts";
import {
  CATCHABLE_SIGNALS,
  openSignals,
  readSignals,
  SIGINT,
  SIGQUIT,
  SIGWINCH,
  unblockSignals,
} from "../linux/signals.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { type Debug, withLinesTo } from "../stage1/log.ts";
import type { Streams } from "../stream/streams.ts";
import { type Action, type ActivePhase, type Living, PodLife } from "./life.ts";

/** What the supervisor cannot know by itself. */
export interface SupervisorHooks {
  /** In the order in which they start. */
  apps: readonly Living[];
  /** Starts a process of an app, and returns its id. */
  start(app: string, phase: ActivePhase): number;
  /** Where the manifest has what an app does in a phase. */
  fieldOf(app: string, phase: ActivePhase): string;
  /** Ends what is left of an app whose program has ended. */
  sweep(app: string): void;
  /** Keeps an app's exit status. */
  record(app: string, status: number): void;
  /** Hears that every app has been started, for the first time. */
  begun(): void;
  /** Ends every process of the pod, and waits until none is left. */
  end(): void;
  /** The pod's pid 1, if it has one: it is waited for in the end. */
  firstProcess: number | undefined;
  streams: Streams;
  debug: Debug;
}

/** Signals that ask the pod to end. */
const ENDING = [SIGTERM, SIGINT, SIGQUIT];
/** Signals that are about this process alone, and mean nothing to the apps. */
const OWN = [13, 17, 18, 20, 21, 22, 23, 29];

/** A process of an app that runs. */
interface Running {
  app: string;
  phase: ActivePhase;
  process: Fd;
  pid: number;
}

/**
 * How many milliseconds there are for the rest of what apps have written, once the pod was asked to end: its reader
 * may have stalled.
 */
const REST_PATIENCE = 3_000;

/**
 * After how many milliseconds in which nothing happens a pod is taken for one that lives on: what it took to build
 * it is given back.
 */
const QUIET = 3_000;

/**
 * Starts the apps, and stays until the pod is over. Meanwhile nothing waits for who reads what is written.
 *
 * @returns The pod's exit status.
 * @throws {Error} when an app cannot be started; the others have ended then.
 */
export function supervise(pod: SupervisorHooks): number {
  using signals = openSignals(CATCHABLE_SIGNALS);
  const supervisor = new Supervisor(pod, signals);
  try {
    return withLinesTo(
      (line) => pod.streams.writeLine(line),
      () => superviseToTheEnd(supervisor, pod),
    );
  } catch (error) {
    // Saying why may wait for a reader; whoever wants this process to end is not to wait for that.
    unblockSignals(CATCHABLE_SIGNALS);
    throw error;
  }
}

function superviseToTheEnd(supervisor: Supervisor, pod: SupervisorHooks): number {
  try {
    supervisor.begin();
    while (!supervisor.isOver) supervisor.turn();
  } finally {
    pod.end();
  }
  supervisor.passOnRest();
  return supervisor.status;
}

class Supervisor {
  readonly #pod: SupervisorHooks;
  readonly #signals: Fd;
  readonly #life: PodLife;
  readonly #running = new Map<number, Running>();
  /** When apps that were asked to end are killed, on the monotonic clock, in milliseconds. */
  #deadline: number | undefined;
  /** Whether somebody has asked the pod to end. */
  #isUrged = false;
  /** Whether what it took to build the pod has been given back. */
  #isLean = false;

  constructor(pod: SupervisorHooks, signals: Fd) {
    this.#pod = pod;
    this.#signals = signals;
    this.#life = new PodLife(pod.apps);
  }

  get isOver(): boolean {
    return this.#life.isOver;
  }

  get status(): number {
    return this.#life.status;
  }

  begin(): void {
    this.#perform(this.#life.begin());
    this.#pod.begun();
  }

  /** Waits for something to happen, and sees to it. */
  turn(): void {
    const ready = waitForEvents(this.#interests(), this.#remaining() ?? this.#untilQuiet());
    if (ready.length === 0 && this.#deadline === undefined) this.#giveBackMemory();
    this.#pod.streams.onReady(ready);
    if (this.#pod.streams.hasEscaped) this.#stopAtOnce();
    const fds = new Set(ready.map(({ fd }) => fd));
    if (fds.has(this.#signals.number)) this.#handleSignals();
    // Listed first: what is started meanwhile may get the number of a descriptor that has just been closed.
    const ended = [...this.#running].filter(([fd]) => fds.has(fd));
    for (const [, running] of ended) this.#reap(running);
    if (this.#remaining() === 0) this.#giveUpWaiting();
  }

  /**
   * Passes on what apps have written before they ended. Once somebody is in a hurry, that takes no longer than
   * {@linkcode REST_PATIENCE}; when asked again, it is over.
   */
  passOnRest(): void {
    const { streams } = this.#pod;
    streams.podEnded();
    this.#deadline = this.#isUrged ? now() + REST_PATIENCE : undefined;
    const signal = { fd: this.#signals.number, events: POLLIN };
    while (!streams.isDone && this.#remaining() !== 0) {
      const ready = waitForEvents([signal, ...streams.interests()], this.#remaining());
      const isAsked = ready.some(({ fd }) => fd === signal.fd) &&
        readSignals(this.#signals).some(({ number }) => ENDING.includes(number));
      if (isAsked && this.#isUrged) return;
      if (isAsked) {
        this.#isUrged = true;
        this.#deadline = now() + REST_PATIENCE;
      }
      streams.onReady(ready);
    }
  }

  #interests(): PollEvents[] {
    const fds = [this.#signals.number, ...this.#running.keys()];
    return [...fds.map((fd) => ({ fd, events: POLLIN })), ...this.#pod.streams.interests()];
  }

  #remaining(): number | undefined {
    if (this.#deadline === undefined) return undefined;
    return Math.max(0, this.#deadline - now());
  }

  #untilQuiet(): number | undefined {
    return this.#isLean ? undefined : QUIET;
  }

  /** The pod lives on without that, too. */
  #giveBackMemory(): void {
    this.#isLean = true;
    try {
      giveBackMemory();
    } catch (error) {
      this.#pod.debug(`memory is not given back: ${describeError(error)}`);
    }
  }

  #giveUpWaiting(): void {
    this.#deadline = undefined;
    this.#perform(this.#life.patienceEnded());
  }

  #handleSignals(): void {
    for (const { number, isKernels } of readSignals(this.#signals)) {
      if (isKernels && this.#pod.streams.isShared) continue;
      if (number === SIGCHLD) this.#reapStrangers();
      if (number === SIGWINCH) this.#pod.streams.resize();
      else if (ENDING.includes(number)) this.#stop();
      else if (!OWN.includes(number)) this.#signalAll(number);
    }
  }

  /** An app may make children of this process, by `CLONE_PARENT`. They would stay zombies, and nobody's. */
  #reapStrangers(): void {
    const known = new Set([...this.#running.values()].map(({ pid }) => pid));
    for (const pid of childrenOf(Deno.pid)) {
      if (!known.has(pid) && pid !== this.#pod.firstProcess) changeOf(pid);
    }
  }

  #stop(): void {
    this.#isUrged = true;
    this.#perform(this.#life.stop());
  }

  #stopAtOnce(): void {
    this.#isUrged = true;
    this.#perform(this.#life.patienceEnded());
  }

  #reap(running: Running): void {
    const end = endOf(running.pid);
    this.#running.delete(running.process.number);
    running.process[Symbol.dispose]();
    this.#pod.debug(`${running.app}: ended with ${JSON.stringify(end)}`);
    this.#pod.sweep(running.app);
    this.#tellFailure(running, end);
    this.#perform(this.#life.ended(running.app, end));
  }

  /** Of a handler; an app's own end is told by the exit status. */
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
        return this.#start(action.app, action.phase);
      case "signal":
        return this.#signal(action.app, action.signal);
      case "record":
        return this.#pod.record(action.app, action.status);
      case "wait":
        this.#deadline = now() + action.milliseconds;
    }
  }

  #start(app: string, phase: ActivePhase): void {
    this.#pod.debug(`${app}: ${phase}`);
    const pid = this.#pod.start(app, phase);
    // A child cannot come to be another process before it has been waited for.
    const process = openProcess(pid)!;
    this.#running.set(process.number, { app, phase, process, pid });
  }

  #signal(app: string, signal: number): void {
    const running = [...this.#running.values()].filter((it) => it.app === app);
    for (const { process } of running) {
      this.#pod.debug(`${app}: signal ${signal}`);
      signalProcess(process, signal);
    }
  }

  #signalAll(signal: number): void {
    for (const { process } of this.#running.values()) signalProcess(process, signal);
  }
}

/** Milliseconds on the monotonic clock. */
function now(): number {
  return monotonicMicroseconds() / 1000;
}
