/**
 * How long the apps that were asked to end still have.
 *
 * @module
 */

import { earliest } from "../linux/clock.ts";

/** The apps' deadlines, one each at most. Times are milliseconds on one clock. */
export class Deadlines {
  readonly #times = new Map<string, number>();

  /** Sets an app's deadline, in the place of an earlier one. */
  set(app: string, time: number): void {
    this.#times.set(app, time);
  }

  /** Lifts an app's deadline, if it has one. */
  lift(app: string): void {
    this.#times.delete(app);
  }

  /** Returns how long the next app still has; `undefined` if none has a deadline. */
  untilNext(now: number): number | undefined {
    const next = earliest(this.#times.values());
    return next === undefined ? undefined : Math.max(0, next - now);
  }

  /** Lists the apps that have had their time. */
  late(now: number): string[] {
    return [...this.#times].filter(([, time]) => time <= now).map(([app]) => app);
  }
}
