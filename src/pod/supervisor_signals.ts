/**
 * What the supervisor of a pod makes of the signals that it gets: they end the pod, they are for
 * its apps, or they are those of a shell that stops its job and lets it go on.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { STOP_SIGNALS } from "../linux/job_control.ts";
import {
  SIGCHLD,
  SIGCONT,
  SIGINT,
  SIGNALS_OF_WRITES,
  SIGQUIT,
  SIGTERM,
  SIGTTOU,
  SIGWINCH,
} from "../linux/signal_numbers.ts";
import type { Signal } from "../linux/signals.ts";
import { BY_FORCE } from "../process/supervisor_process.ts";
import type { Streams } from "../stream/streams.ts";
import type { Running, RunningProcesses } from "./running.ts";
import { stopJob } from "./stop_job.ts";
import type { SupervisorKernel } from "./supervisor_kernel.ts";

/** Signals that ask the pod to end. */
const ENDING: readonly number[] = [SIGTERM, SIGINT, SIGQUIT];

/** Those of them that a shell has its background jobs ignore. `stop` asks by the other one. */
const KEYBOARD: readonly number[] = [SIGINT, SIGQUIT];

/** What signals need of the pod. */
export interface SignalledPod {
  running: RunningProcesses;
  streams: Pick<Streams, "isInBackground" | "isShared" | "resize" | "resume" | "suspend">;
  /** The pod's pid 1, if it has one. */
  firstProcess: number | undefined;
  /** Whether somebody has asked the pod to end. */
  isUrged(): boolean;
  /** Asks the pod to end. */
  stop(): void;
  /** Ends the pod by force. */
  kill(): void;
  /** Takes the end of the pod's pid 1, with which all others have ended. */
  firstProcessEnded(): void;
}

/** The signals of a supervisor. */
export class SupervisorSignals {
  readonly #signals: Fd;
  readonly #kernel: SupervisorKernel;
  readonly #pod: SignalledPod;
  /** The signals of the keyboard that the caller ignores: run has not been asked by them. */
  readonly #ignored: readonly number[];

  /** @param signals The descriptor that tells of signals. */
  constructor(signals: Fd, pod: SignalledPod, kernel: SupervisorKernel) {
    this.#signals = signals;
    this.#pod = pod;
    this.#kernel = kernel;
    this.#ignored = KEYBOARD.filter(kernel.isIgnored);
  }

  /** The number of the descriptor that is readable when there are signals. */
  get fd(): number {
    return this.#signals.number;
  }

  /** Handles the signals that have come. */
  handle(): void {
    for (const signal of this.#read()) this.#handleOne(signal);
  }

  /**
   * Takes the signals that have come when no process of the pod is left, and tells whether one asks
   * the pod to end.
   */
  isAskedToEnd(): boolean {
    const signals = this.#read();
    for (const { number } of signals) if (STOP_SIGNALS.includes(number)) this.#suspend(number);
    return signals.some(({ number }) => ENDING.includes(number) && !this.#ignored.includes(number));
  }

  #read(): Signal[] {
    return this.#kernel.readSignals(this.#signals);
  }

  /**
   * All but SIGKILL and SIGSTOP come here. What does not concern the pod itself is for the apps.
   */
  #handleOne(signal: Signal): void {
    const { number, pid, isKernels } = signal;
    const { streams, running } = this.#pod;
    if (number === SIGCHLD) return this.#lookAtChildren();
    // The kernel sends a terminal's signals to the apps in the caller's session as well.
    if (isKernels && streams.isShared) return;
    if (ENDING.includes(number)) return this.#handleEnding(signal);
    if (STOP_SIGNALS.includes(number) && !streams.isShared) return this.#suspend(number);
    if (number === SIGCONT) this.#regainTerminal();
    if (number === SIGWINCH) streams.resize();
    // A size that has changed is no concern of an app without a terminal.
    if (number === SIGWINCH && isKernels) return;
    if (!SIGNALS_OF_WRITES.includes(number) || pid !== Deno.pid) running.signalAll(number);
  }

  #handleEnding({ number, value }: Signal): void {
    if (value === BY_FORCE) this.#pod.kill();
    else if (!this.#ignored.includes(number)) this.#pod.stop();
  }

  #lookAtChildren(): void {
    this.#reapStrangers();
    const { firstProcess, running, streams } = this.#pod;
    const isOver = firstProcess !== undefined && this.#kernel.hasEnded(firstProcess);
    if (isOver) this.#pod.firstProcessEnded();
    if (streams.isShared) { for (const app of running.all()) this.#follow(app); }
  }

  /** An app can make children of this process, by `CLONE_PARENT`. They would stay zombies. */
  #reapStrangers(): void {
    const known = this.#pod.running.pids;
    for (const pid of this.#kernel.childrenOf(Deno.pid)) {
      if (!known.has(pid) && pid !== this.#pod.firstProcess) this.#kernel.changeOf(pid);
    }
  }

  /**
   * Stops together with an app that its terminal has stopped: the shell waits for this process, and
   * takes the terminal back when that stops.
   */
  #follow({ process }: Running): void {
    const { pid } = process;
    const signal = pid === undefined ? undefined : this.#kernel.stopOf(pid);
    if (signal === undefined) return;
    this.#kernel.stopWith(pid!, signal);
    // Nobody has let this process go on that has not been stopped.
    if (!this.#handleOthers(this.#read())) return;
    process.signal(SIGCONT);
    process.signalGroup(SIGCONT);
  }

  /**
   * Stops this process with the apps, which are in sessions of their own, where the shell's signals
   * do not reach them. Each leads a process group, and those that it has not made itself are in it.
   */
  #suspend(signal: number): void {
    const job = {
      signalPrograms: (number: number) => this.#pod.running.signalGroups(number),
      streams: this.#pod.streams,
      readSignals: () => this.#read(),
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
    for (const signal of others) this.#handleOne(signal);
    return others.length < signals.length;
  }

  /** Whoever stopped this process by SIGSTOP may have used the terminal since. */
  #regainTerminal(): void {
    const { streams } = this.#pod;
    if (!streams.isInBackground) streams.resume();
    else if (!this.#pod.isUrged()) this.#suspend(SIGTTOU);
  }
}
