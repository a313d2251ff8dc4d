/**
 * The kernel that the supervisor's tests have: no process is started, and no time passes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { Fd } from "../linux/fd.ts";
import type { PollEvents } from "../linux/poll.ts";
import { SIGCHLD } from "../linux/signal_numbers.ts";
import type { Signal } from "../linux/signals.ts";
import type { End } from "../linux/wait.ts";
import type { SupervisorKernel } from "./supervisor_kernel.ts";

/** The descriptor of signals, and the first that a process may get. */
const SIGNALS = 10;
const FIRST_FD = 100;

/** The process ids of the pod's pid 1, and of the first process of an app that starts. */
export const FIRST_PROCESS = 999;
const FIRST_PID = 1000;

/** A kernel whose clock goes from one event to the next. Nothing of it is real. */
export class DoubleOfKernel {
  /** What the supervisor has done, with the time in milliseconds. */
  readonly log: string[] = [];
  readonly calls: SupervisorKernel;
  /** The signals that the supervisor's caller ignores. */
  ignored: readonly number[] = [];
  /** The signals that come while the supervisor is stopped. */
  whileStopped: readonly Signal[] = [];
  readonly #events: [at: number, happen: () => number][] = [];
  #now = 0;
  /** How often the supervisor may still wait. */
  #patience = 100;
  #nextPid = FIRST_PID;
  /** What runs, by process id: the names of apps. */
  readonly #running = new Map<number, string>();
  /** Processes that have yet to begin. */
  readonly #deferred = new Map<number, string>();
  /** What has ended, and not been waited for. */
  readonly #ends = new Map<number, End>();
  readonly #strangers = new Set<number>();
  #hasFirstEnded = false;
  /** The open descriptors, and the process that each one holds, if it does. */
  readonly #open = new Map<number, number | undefined>();
  #signals: Signal[] = [];
  readonly #stops = new Map<number, number>();

  constructor() {
    this.calls = this.#makeCalls();
  }

  /** The time, in milliseconds. */
  get now(): number {
    return this.#now;
  }

  /** Writes down what the supervisor does. */
  note(what: string): void {
    this.log.push(`${this.#now} ${what}`);
  }

  /**
   * Has something happen at a time, in milliseconds, if that is the next.
   *
   * @param happen Returns the descriptor by which it is seen.
   */
  at(milliseconds: number, happen: () => number): void {
    this.#events.push([milliseconds, happen]);
  }

  /** Starts a process of an app, and returns its id. */
  start(app: string): number {
    this.#running.set(this.#nextPid, app);
    return this.#nextPid++;
  }

  /** Has a process of an app ready that begins later, and returns its id. */
  defer(app: string): number {
    this.#deferred.set(this.#nextPid, app);
    return this.#nextPid++;
  }

  /** Has a deferred process begin. */
  begin(pid: number): void {
    this.#running.set(pid, this.#deferred.get(pid)!);
    this.#deferred.delete(pid);
  }

  /** Returns the app of a process that runs. */
  appOf(pid: number): string | undefined {
    return this.#running.get(pid);
  }

  /**
   * Opens a descriptor, of a process if one is given. Like the kernel, it takes the lowest number.
   */
  openFd(pid?: number): Fd {
    let number = FIRST_FD;
    while (this.#open.has(number)) number++;
    return this.#openAs(number, pid);
  }

  /** Returns the process that a descriptor holds. */
  processOf({ number }: Fd): number | undefined {
    return this.#open.get(number);
  }

  /** Returns how a process has ended, once; `undefined` if it has not. */
  takeEnd(pid: number): End | undefined {
    const end = this.#ends.get(pid);
    this.#ends.delete(pid);
    return end;
  }

  /** Has a signal come. */
  signal(number: number, { isKernels = false, value = 0, pid = 0 } = {}): number {
    this.#signals.push({ number, pid, isKernels, value });
    return SIGNALS;
  }

  /** Has the process of an app end. */
  end(app: string, end: End): number {
    const pid = this.#pidOf(app);
    this.#running.delete(pid);
    this.#ends.set(pid, end);
    return [...this.#open].find(([, held]) => held === pid)![0];
  }

  /** Has the process of an app stop by a signal. */
  stop(app: string, by: number): number {
    this.#stops.set(this.#pidOf(app), by);
    return this.signal(SIGCHLD);
  }

  /** Has the pod's pid 1 end. */
  endFirst(): number {
    this.#hasFirstEnded = true;
    return this.signal(SIGCHLD, { isKernels: true });
  }

  /** Has a child be there that nobody has started. */
  addStranger(pid: number): number {
    this.#strangers.add(pid);
    return this.signal(SIGCHLD, { isKernels: true });
  }

  /** Makes sure that everything has happened, and that nothing is left open. */
  assertOver(): void {
    assertEquals(this.#events, [], "events that nobody has waited for");
    assertEquals([...this.#open.keys()], [], "descriptors that are still open");
  }

  #makeCalls(): SupervisorKernel {
    return {
      openSignals: () => this.#openAs(SIGNALS),
      unblockSignals: () => this.note("unblock"),
      readSignals: () => this.#signals.splice(0),
      openProcess: (pid) => this.openFd(pid),
      endOf: (pid) => {
        const end = this.takeEnd(pid);
        assert(end !== undefined, `${pid} has not ended: the supervisor would wait for it`);
        return end;
      },
      signalProcess: (process, signal) =>
        this.note(`signal ${signal} ${this.appOf(this.processOf(process)!)}`),
      childrenOf: () => [FIRST_PROCESS, ...this.#running.keys(), ...this.#strangers],
      changeOf: (pid) => {
        this.note(`reap ${pid}`);
        this.#strangers.delete(pid);
        return { status: 0 };
      },
      hasEnded: (pid) => pid === FIRST_PROCESS && this.#hasFirstEnded,
      monotonicMilliseconds: () => this.#now,
      giveBackMemory: () => this.note("lean"),
      isIgnored: (signal) => this.ignored.includes(signal),
      signalGroupOf: (pid, signal) => this.note(`group ${signal} ${this.appOf(pid)}`),
      stopOf: (pid) => {
        const signal = this.#stops.get(pid);
        this.#stops.delete(pid);
        return signal;
      },
      stopSelf: (signal, { readSignals }) => {
        this.#stopSelf(signal);
        return readSignals();
      },
      stopWith: (_, signal) => this.#stopSelf(signal),
      waitForEvents: (interests, timeout) => this.#wait(interests, timeout),
    };
  }

  #openAs(number: number, pid?: number): Fd {
    const open = this.#open;
    open.set(number, pid);
    class DoubleOfFd extends Fd {
      override [Symbol.dispose](): void {
        assert(open.delete(number), `${number} is not open`);
      }
    }
    return new DoubleOfFd(number);
  }

  /** Goes on to the next event, or to the end of the time to wait. */
  #wait(interests: readonly PollEvents[], timeout: number | undefined): PollEvents[] {
    assert(this.#patience-- > 0, `it waits again and again:\n${this.log.join("\n")}`);
    const next = this.#events[0]?.[0];
    const until = timeout === undefined ? undefined : this.#now + timeout;
    if (next === undefined || (until !== undefined && until < next)) {
      assert(until !== undefined, `nothing happens any more:\n${this.log.join("\n")}`);
      this.#now = until;
      return [];
    }
    this.#now = next;
    const ready = new Set<number>();
    while (this.#events[0]?.[0] === next) ready.add(this.#events.shift()![1]());
    return interests.filter(({ fd }) => ready.has(fd));
  }

  #stopSelf(signal: number): void {
    this.note(`stop by ${signal}`);
    this.#signals.push(...this.whileStopped);
  }

  #pidOf(app: string): number {
    const [pid] = [...this.#running].find(([, name]) => name === app) ?? [];
    assert(pid !== undefined, `${app} does not run`);
    return pid;
  }
}
