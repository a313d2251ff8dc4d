/**
 * When the apps of a pod start and end: which event leads to what. Pure.
 *
 * They live and die together, as in rkt's own images: when one fails, the others are asked to end, and killed when
 * they take too long; otherwise the pod ends with its last app.
 *
 * @module
 */

import { type End, SIGKILL, SIGTERM } from "../linux/process.ts";

/** What an app is doing. */
export type Phase = "pre-start" | "running" | "post-stop" | "ended";

/** A phase that has a process. */
export type ActivePhase = Exclude<Phase, "ended">;

/** An app, as far as its life is concerned. */
export interface Living {
  name: string;
  /** Which of its event handlers it has. */
  hasPreStart: boolean;
  hasPostStop: boolean;
}

/** Something to be done. */
export type Action =
  | { do: "start"; app: string; phase: ActivePhase }
  | { do: "signal"; app: string; signal: number }
  | { do: "record"; app: string; status: number }
  | { do: "wait"; milliseconds: number };

/** How long apps have to end once they are asked to, in milliseconds. */
export const STOP_PATIENCE = 30_000;

/** One app's state. */
interface State extends Living {
  phase: Phase;
}

/** The life of a pod's apps. Each method takes an event, and says what to do about it, in order. */
export class PodLife {
  readonly #apps: ReadonlyMap<string, State>;
  #stopping = false;
  #status = 0;

  /** @param apps In the order in which they start. */
  constructor(apps: readonly Living[]) {
    this.#apps = new Map(apps.map((app) => [app.name, { ...app, phase: "ended" }]));
  }

  /** Whether every app has ended. */
  get isOver(): boolean {
    return this.#states.every(({ phase }) => phase === "ended");
  }

  /** The pod's exit status: that of the app that failed first, 0 when none did. */
  get status(): number {
    return this.#status;
  }

  /** The pod begins. */
  begin(): Action[] {
    return this.#states.map((app) => start(app, app.hasPreStart ? "pre-start" : "running"));
  }

  /** A process of an app's has ended, or could not be started. */
  ended(name: string, end: End): Action[] {
    const app = this.#apps.get(name);
    if (app === undefined) throw new Error(`${name}: not an app of this pod`);
    switch (app.phase) {
      case "pre-start":
        return isSuccess(end) && !this.#stopping
          ? [start(app, "running")]
          : this.#endOfApp(app, end, false);
      case "running":
        return this.#endOfApp(app, end, app.hasPostStop);
      case "post-stop":
      case "ended":
        app.phase = "ended";
        return [];
    }
  }

  /** Somebody asks the pod to end: at first apps are asked to, the second time they are killed. */
  stop(): Action[] {
    return this.#stopping ? this.patienceEnded() : this.#askAll();
  }

  /** The wait that an action asked for is over. */
  patienceEnded(): Action[] {
    return this.#active().map(({ name }) => ({ do: "signal", app: name, signal: SIGKILL }));
  }

  #endOfApp(app: State, end: End, hasPostStop: boolean): Action[] {
    const status = this.#statusOf(end);
    this.#status ||= status;
    const failed = status !== 0 && !this.#stopping;
    app.phase = "ended";
    return [
      { do: "record", app: app.name, status },
      ...(hasPostStop ? [start(app, "post-stop")] : []),
      ...(failed ? this.#askAll() : []),
    ];
  }

  /** Ending as it was asked to is what an app is expected to do. */
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
  return { do: "start", app: app.name, phase };
}

function isSuccess(end: End): boolean {
  return "status" in end && end.status === 0;
}
