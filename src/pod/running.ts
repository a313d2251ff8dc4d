/**
 * The processes of a pod's apps that run, as its supervisor holds them.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN } from "../linux/poll.ts";
import type { End } from "../linux/wait.ts";
import type { ActivePhase } from "./life.ts";
import type { SupervisorKernel } from "./supervisor_kernel.ts";

/** A process of an app, whoever is its parent. Disposing of it closes what it is held by. */
export interface SupervisedProcess extends Disposable {
  /** Its id; `undefined` as long as it has yet to begin. */
  readonly pid: number | undefined;
  /** The descriptors that are readable when there is news of it. */
  readonly fds: readonly number[];
  /**
   * Takes the news of it.
   *
   * @param ready The descriptors that are readable, one of `fds` at least.
   * @returns How it has ended; `undefined` if it has not.
   */
  endAfter(ready: ReadonlySet<number>): End | undefined;
  /** Signals it. It is no error when it has ended. */
  signal(signal: number): void;
  /** Signals the process group that it leads, if it leads one. */
  signalGroup(signal: number): void;
}

/** A process that runs, and what for. */
export interface Running {
  app: string;
  phase: ActivePhase;
  process: SupervisedProcess;
}

/** A process that this one has started. Its number stays its own until it has been waited for. */
export class ChildProcess implements SupervisedProcess {
  readonly pid: number;
  readonly #kernel: SupervisorKernel;
  readonly #process: Fd;

  /** @throws {SyscallError} when there is no descriptor left to hold it by. */
  constructor(pid: number, kernel: SupervisorKernel) {
    this.pid = pid;
    this.#kernel = kernel;
    this.#process = kernel.openProcess(pid)!;
  }

  get fds(): readonly number[] {
    return [this.#process.number];
  }

  endAfter(): End {
    return this.#kernel.endOf(this.pid);
  }

  signal(signal: number): void {
    this.#kernel.signalProcess(this.#process, signal);
  }

  signalGroup(signal: number): void {
    this.#kernel.signalGroupOf(this.pid, signal);
  }

  [Symbol.dispose](): void {
    this.#process[Symbol.dispose]();
  }
}

/** All processes of the apps that run, in the order in which they were started. */
export class RunningProcesses {
  readonly #all = new Set<Running>();

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Their ids. */
  get pids(): ReadonlySet<number> {
    return new Set(this.all().map(({ process }) => process.pid).filter((pid) => pid !== undefined));
  }

  /** Lists them. */
  all(): Running[] {
    return [...this.#all];
  }

  /** Lists those of an app. */
  of(app: string): Running[] {
    return this.all().filter((running) => running.app === app);
  }

  /** Adds one. */
  add(running: Running): void {
    this.#all.add(running);
  }

  /** Removes one that has ended, and lets go what it was held by. */
  remove(running: Running): void {
    this.#all.delete(running);
    running.process[Symbol.dispose]();
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    return this.all().flatMap(({ process }) => process.fds).map((fd) => ({ fd, events: POLLIN }));
  }

  /** Lists those of which there is news. */
  withNews(ready: ReadonlySet<number>): Running[] {
    return this.all().filter(({ process }) => process.fds.some((fd) => ready.has(fd)));
  }

  /** Signals all of them, without those that they have started. */
  signalAll(signal: number): void {
    for (const { process } of this.#all) process.signal(signal);
  }

  /**
   * Signals all process groups that they lead. One that is about to lead a group, and does not yet,
   * is signalled alone.
   */
  signalGroups(signal: number): void {
    for (const { process } of this.#all) {
      process.signal(signal);
      process.signalGroup(signal);
    }
  }
}
