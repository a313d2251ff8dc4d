/**
 * A process of an app that the supervisor has not started itself. Its minder tells of its end.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { signalProcess } from "../linux/pidfd.ts";
import { POLLIN, waitForEvents } from "../linux/poll.ts";
import { signalGroupOf } from "../linux/process.ts";
import { SIGKILL } from "../linux/signal_numbers.ts";
import type { End } from "../linux/wait.ts";
import type { HeldProcess } from "../process/held_process.ts";
import { Minder, type MinderNews } from "../process/minder.ts";
import type { SupervisedProcess } from "./running.ts";

/** A process that has a minder, also before it has begun. */
export class FollowedProcess implements SupervisedProcess {
  readonly #minder: Minder;
  readonly #begun: (pid: number) => void;
  #held: HeldProcess | undefined;
  /** Whether it was killed before it has begun. */
  #isKilled = false;

  /**
   * @param minder The socket of its minder's, which belongs to this from now on.
   * @param held The process, which belongs to this as well; `undefined` if it is deferred.
   * @param begun Called when a deferred process has begun. Its id is no other's meanwhile, also if
   * it has ended.
   */
  constructor(minder: Fd, held: HeldProcess | undefined, begun: (pid: number) => void) {
    this.#minder = new Minder(minder, held === undefined);
    this.#held = held;
    this.#begun = begun;
  }

  get pid(): number | undefined {
    return this.#held?.pid;
  }

  get fds(): readonly number[] {
    return [this.#minder.fd, ...(this.#held ? [this.#held.process.number] : [])];
  }

  /** Has a deferred process begin. */
  go(): void {
    this.#minder.go();
  }

  endAfter(ready: ReadonlySet<number>): End | undefined {
    const news = this.#takeNews();
    if (news && "end" in news) return news.end;
    if (news) this.#begin(news.begun);
    const { pid, process } = this.#held ?? {};
    if (pid === undefined || process === undefined || !ready.has(process.number)) return undefined;
    return this.#minder.awaitEnd(pid);
  }

  signal(signal: number): void {
    if (this.#held) signalProcess(this.#held.process, signal);
    else this.#isKilled ||= signal === SIGKILL;
  }

  /** Once it has ended, its minder waits for it, and its id may come to be another one's. */
  signalGroup(signal: number): void {
    const { pid, process } = this.#held ?? {};
    if (pid === undefined || process === undefined || hasEnded(process)) return;
    try {
      signalGroupOf(pid, signal);
    } catch (error) {
      if (!failedWith(error, "ESRCH")) throw error;
    }
  }

  [Symbol.dispose](): void {
    // The kernel kills it when its minder dies, unless it has declined that by prctl(2).
    this.signal(SIGKILL);
    this.#held?.process[Symbol.dispose]();
    this.#minder[Symbol.dispose]();
  }

  /** A process that there is no descriptor for ends with its minder, when this is disposed of. */
  #takeNews(): MinderNews | undefined {
    try {
      return this.#minder.news(this.#begun);
    } catch (error) {
      if (!failedWith(error, "EMFILE", "ENFILE", "ENOMEM")) throw error;
      return { end: { signal: SIGKILL } };
    }
  }

  #begin(begun: HeldProcess): void {
    this.#held = begun;
    if (this.#isKilled) this.signal(SIGKILL);
  }
}

function hasEnded({ number }: Fd): boolean {
  return waitForEvents([{ fd: number, events: POLLIN }], 0).length > 0;
}
