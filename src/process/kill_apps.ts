/**
 * The end of all processes of some apps, by force.
 *
 * @module
 */

import { monotonicMilliseconds } from "../linux/clock.ts";
import { signalProcess } from "../linux/pidfd.ts";
import { listProcesses, startOf } from "../linux/proc.ts";
import { SIGKILL, SIGSTOP } from "../linux/signal_numbers.ts";
import type { Debug } from "../stage1/log.ts";
import { type AppMatcher, holdAppProcess, isAppProcess } from "./app_processes.ts";

/** How many milliseconds to spend on processes that start others faster than they are killed. */
const PATIENCE = 30_000;

/**
 * How many milliseconds to look for processes where none is found, and yet there are some. On a
 * busy machine, those that never stay may all be missed for seconds.
 */
const LOOKING_PATIENCE = 10_000;

/**
 * Kills all processes of some apps, also those that others start before it is their turn.
 *
 * @param isOver Tells by another way whether there are no more: a process that has started another,
 * and ended, may be missed together with it whenever /proc is read.
 * @returns How many there were.
 * @throws {Error} when they start others faster than these can be found, or when none is found
 * although there are some.
 * @throws {SyscallError} when a process cannot be looked at or signalled.
 */
export function killAppProcesses(apps: AppMatcher, debug: Debug, isOver = () => true): number {
  const killed = new SignalledOnce(apps, SIGKILL, debug);
  const isDone = () => killed.signalMore() === 0 && isOver();
  if (isDone() || isDone()) return killed.count;
  // A stopped process starts no other, and keeps the process id that another one would get.
  const stopped = new SignalledOnce(apps, SIGSTOP, debug);
  const deadline = monotonicMilliseconds() + PATIENCE;
  const isTime = () => monotonicMilliseconds() < deadline;
  let found = monotonicMilliseconds();
  do {
    while (stopped.signalMore() > 0 && isTime()) found = monotonicMilliseconds();
    if (isDone()) return killed.count;
    if (monotonicMilliseconds() > found + LOOKING_PATIENCE) {
      throw new Error("a process that has left its app's root and mounts keeps the pod locked");
    }
  } while (isTime());
  throw new Error("the pod's processes start others faster than they can be killed");
}

/**
 * A signal that each process of some apps gets once. A killed process may stay for a while, and be
 * found again.
 */
class SignalledOnce {
  readonly #known = new Set<string>();

  constructor(
    readonly apps: AppMatcher,
    readonly signal: number,
    readonly debug: Debug,
  ) {}

  /** How many have got it. */
  get count(): number {
    return this.#known.size;
  }

  /**
   * Signals the processes that have not got the signal yet.
   *
   * @returns How many there were. Some may have gone before the signal reached them.
   */
  signalMore(): number {
    let seen = 0;
    // The youngest come first: a process that does not stay for long is among them.
    for (const pid of listProcesses().reverse()) {
      if (!isAppProcess(pid, this.apps)) continue;
      const name = `${pid} ${startOf(pid)}`;
      if (this.#known.has(name)) continue;
      seen++;
      if (this.#signalOne(pid)) this.#known.add(name);
    }
    return seen;
  }

  #signalOne(pid: number): boolean {
    const held = holdAppProcess(pid, this.apps);
    if (held === undefined) return false;
    using process = held.process;
    this.debug(`signal ${this.signal} to ${pid}`);
    signalProcess(process, this.signal);
    return true;
  }
}
