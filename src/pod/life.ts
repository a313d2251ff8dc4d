/**
 * The life of a pod's apps: which event leads to which actions. Pure.
 *
 * Apps live and die together, as in rkt's own images: when one fails, the others are asked to end,
 * and killed when they take too long. Otherwise the pod ends with its last app.
 *
 * @module
 */

import { SIGKILL, SIGTERM } from "../linux/signal_numbers.ts";
import type { End } from "../linux/wait.ts";

/** What an app does at a time. */
export type Phase = "pre-start" | "running" | "post-stop" | "ended";

/** A phase that has a process. */
export type ActivePhase = Exclude<Phase, "ended">;

/** An app, with the event handlers that it has. */
export interface Living {
  name: string;
  hasPreStart: boolean;
  hasPostStop: boolean;
}

/** Something that the supervisor has to do. */
export type Action =
  | { do: "start"; app: string; phase: ActivePhase }
  | { do: "signal"; app: string; signal: number }
  | { do: "save-status"; app: string; status: number }
  | { do: "wait"; milliseconds: number };

/** How many milliseconds apps have to end once they are asked to. */
export const STOP_PATIENCE = 30_000;

/** One app's state. */
interface State extends Living {
  phase: Phase;
  /** Whether its own program has been started, not only a handler. */
  hasRun: boolean;
}

/** The life of a pod's apps. Each method takes an event, and returns the actions, in order. */
export class PodLife {
  readonly #apps: ReadonlyMap<string, State>;
  #stopping = false;
  #isKilled = false;
  #status = 0;

  /** @param apps In the order in which they start. */
  constructor(apps: readonly Living[]) {
    this.#apps = new Map(apps.map((app) => [app.name, { ...app, phase: "ended", hasRun: false }]));
  }

  /** Whether every app has ended. */
  get isOver(): boolean {
    return this.#states.every(({ phase }) => phase === "ended");
  }

  /** Whether every app's own program has been started. Some may have ended since. */
  get isReady(): boolean {
    return this.#states.every(({ hasRun }) => hasRun);
  }

  /** The pod's exit status: that of the app that failed first, 0 when none did. */
  get status(): number {
    return this.#status;
  }

  /** Begins the pod: each app starts, or first its pre-start handler. */
  begin(): Action[] {
    return this.#states.map((app) => start(app, app.hasPreStart ? "pre-start" : "running"));
  }

  /**
   * Takes the end of an app's process.
   *
   * @throws {Error} when the pod has no such app.
   */
  ended(name: string, end: End): Action[] {
    const app = this.#apps.get(name);
    if (app === undefined) throw new Error(`${name}: not an app of this pod`);
    switch (app.phase) {
      case "pre-start":
        return isSuccess(end) && !this.#stopping
          ? [start(app, "running")]
          : this.#endOfApp(app, end, false);
      case "running":
        return this.#endOfApp(app, end, app.hasPostStop && !this.#isKilled);
      case "post-stop":
      case "ended":
        app.phase = "ended";
        return [];
    }
  }

  /** Asks the apps to end. The second time, they are killed. */
  stop(): Action[] {
    return this.#stopping ? this.patienceEnded() : this.#askAll();
  }

  /** Kills the apps: they have been given the time to end, or it is not to be waited for. */
  patienceEnded(): Action[] {
    return this.#active().map(({ name }) => ({ do: "signal", app: name, signal: SIGKILL }));
  }

  /** Kills the apps by force: of none, a post-stop handler starts any more. */
  kill(): Action[] {
    this.#stopping = true;
    this.#isKilled = true;
    return this.patienceEnded();
  }

  #endOfApp(app: State, end: End, hasPostStop: boolean): Action[] {
    const status = this.#statusOf(end);
    this.#status ||= status;
    const failed = status !== 0 && !this.#stopping;
    app.phase = "ended";
    return [
      { do: "save-status", app: app.name, status },
      ...(hasPostStop ? [start(app, "post-stop")] : []),
      ...(failed ? this.#askAll() : []),
    ];
  }

  /** An app that ends by the signal that asked it to has not failed. */
  #statusOf(end: End): number {
    if ("status" in end) return end.status;
    return this.#stopping && end.signal === SIGTERM ? 0 : 128 + end.signal;
  }

  #askAll(): Action[] {
    this.#stopping = true;
    const active = this.#active().filter(({ phase }) => phase !== "post-stop");
    if (active.length === 0) return [];
    return [
      ...active.map(({ name }): Action => ({ do: "signal", app: name, signal: SIGTERM })),
      { do: "wait", milliseconds: STOP_PATIENCE },
    ];
  }

  #active(): State[] {
    return this.#states.filter(({ phase }) => phase !== "ended");
  }

  get #states(): State[] {
    return [...this.#apps.values()];
  }
}

function start(app: State, phase: ActivePhase): Action {
  app.phase = phase;
  app.hasRun ||= phase === "running";
  return { do: "start", app: app.name, phase };
}

function isSuccess(end: End): boolean {
  return "status" in end && end.status === 0;
}
