/**
 * The life of a pod's apps: which event leads to which actions. Pure.
 *
 * Apps live and die together, as in rkt's own images: when one fails, the others are asked to end.
 * Otherwise the pod ends with its last app.
 *
 * A pod that is to end does so backwards: the app that started last is asked first, and the one
 * before it when that has ended, so that no app loses what it was started behind. What takes longer
 * than it may is killed, which is why a pod takes no longer than all its apps together.
 *
 * In a mutable pod, each app lives for itself: it is added, started, stopped, started again and
 * removed, and its failure is nobody else's. Such a pod ends only when it is asked to, and has not
 * failed then.
 *
 * @module
 */

import { SIGKILL, SIGTERM } from "../linux/signal_numbers.ts";
import type { End } from "../linux/wait.ts";
import type { StopPlan } from "../plan/stop.ts";
import { STAGE1_FAILURE } from "../stage1/entrypoint.ts";

/** What an app does at a time. */
export type Phase = "pre-start" | "running" | "post-stop" | "ended";

/** A phase that has a process. */
export type ActivePhase = Exclude<Phase, "ended">;

/** An app, with the event handlers that it has. */
export interface Living {
  name: string;
  hasPreStart: boolean;
  hasPostStop: boolean;
  /** How its own program is asked to end. */
  stop: StopPlan;
}

/** Something that the supervisor has to do. */
export type Action =
  | { do: "start"; app: string; phase: ActivePhase }
  | { do: "signal"; app: string; signal: number }
  | { do: "save-status"; app: string; status: number }
  /**
   * Report when so much time has gone by, unless the app's process has ended by then. It takes the
   * place of an earlier one of that app's.
   */
  | { do: "wait"; app: string; milliseconds: number };

/** How many milliseconds an event handler has, where the end of the pod waits for it. */
export const HANDLER_PATIENCE = 30_000;

/** One app's state. */
interface State extends Living {
  phase: Phase;
  /** Whether its own program has been started, not only a handler. */
  hasRun: boolean;
  /** Whether somebody has asked for the end of this app, rather than of its pod. */
  isAsked: boolean;
  /** The phase in which it was last asked, by whomever. */
  askedIn: Phase | undefined;
}

/** The life of a pod's apps. Each method takes an event, and returns the actions, in order. */
export class PodLife {
  /** In the order in which they were started last. */
  readonly #apps: Map<string, State>;
  readonly #isMutable: boolean;
  /** Whether the pod is to end: an app has failed, or somebody has asked. */
  #stopping = false;
  /** Whether somebody has asked the pod to end. */
  #isAsked = false;
  /** Whether all that ran has been killed, so that nothing is asked to end any more. */
  #isHurried = false;
  /** Whether no handler is to start any more. */
  #isKilled = false;
  /** The app, and the phase of it, whose end the end of the pod waits for. */
  #turn: Pick<State, "name" | "phase"> | undefined;
  #status = 0;

  /**
   * @param apps In the order in which they start.
   * @param isMutable Whether apps are added later.
   */
  constructor(apps: readonly Living[], isMutable = false) {
    this.#apps = new Map(apps.map((app) => [app.name, stateOf(app)]));
    this.#isMutable = isMutable;
  }

  /** Whether every app has ended, and none is to come. */
  get isOver(): boolean {
    return this.#active().length === 0 && (this.#stopping || !this.#isMutable);
  }

  /** Whether every app's own program has been started. Some may have ended since. */
  get isReady(): boolean {
    return this.#isMutable || this.#states.every(({ hasRun }) => hasRun);
  }

  /** Whether the apps have been asked to end, or killed. */
  get isStopping(): boolean {
    return this.#stopping;
  }

  /**
   * The pod's exit status: that of the app that failed first, 0 when none did. In a mutable pod, no
   * app's status is the pod's.
   */
  get status(): number {
    return this.#status;
  }

  /** Begins the pod: each app starts, or first its pre-start handler. */
  begin(): Action[] {
    return this.#states.map((app) => start(app, app.hasPreStart ? "pre-start" : "running"));
  }

  /**
   * Returns what an app does.
   *
   * @returns `undefined` when the pod has no such app.
   */
  phaseOf(name: string): Phase | undefined {
    return this.#apps.get(name)?.phase;
  }

  /** Adds an app, which does not start yet. */
  add(app: Living): void {
    this.#apps.set(app.name, stateOf(app));
  }

  /** Removes an app that has ended. */
  remove(name: string): void {
    this.#apps.delete(name);
  }

  /**
   * Starts an app that has ended, or has been added.
   *
   * @throws {Error} when the pod has no such app.
   */
  startApp(name: string): Action[] {
    const app = stateOf(this.#find(name));
    // Those that were started later are asked to end before it.
    this.#apps.delete(name);
    this.#apps.set(name, app);
    return [start(app, app.hasPreStart ? "pre-start" : "running")];
  }

  /**
   * Asks an app to end, once. A handler that runs after it has a limited time from then on.
   *
   * @throws {Error} when the pod has no such app.
   */
  stopApp(name: string): Action[] {
    const app = this.#find(name);
    app.isAsked = true;
    return app.phase === "ended" ? [] : this.#ask(app);
  }

  /**
   * Takes the end of an app's process.
   *
   * @throws {Error} when the pod has no such app.
   */
  ended(name: string, end: End): Action[] {
    const app = this.#find(name);
    const actions = this.#processEnded(app, end);
    const isAwaited = app.isAsked && app.phase === "post-stop";
    return [...actions, ...(isAwaited ? this.#ask(app) : []), ...this.#nextTurn()];
  }

  /**
   * Takes that a process of an app could not be started. No other one of that app is to come. In a
   * mutable pod, the app gets the status of the entrypoint that fails then: to rkt, an app without
   * one would run.
   *
   * @throws {Error} when the pod has no such app.
   */
  notStarted(name: string): Action[] {
    const app = this.#find(name);
    const isItself = app.phase === "pre-start" || app.phase === "running";
    app.phase = "ended";
    return [
      ...(this.#isMutable && isItself ? [saveStatus(app, STAGE1_FAILURE)] : []),
      ...this.#nextTurn(),
    ];
  }

  /** Asks the apps to end, one after the other: an error keeps the pod from going on. */
  fail(): Action[] {
    this.#stopping = true;
    return this.#nextTurn();
  }

  /** Asks the apps to end, one after the other. The second time, they are killed. */
  stop(): Action[] {
    if (this.#stopping) return this.hurry();
    this.#stopping = true;
    this.#isAsked = true;
    return this.#nextTurn();
  }

  /** Kills an app whose end was waited for: it has had its time. */
  patienceEnded(name: string): Action[] {
    return this.#active().filter((app) => app.name === name).map(kill);
  }

  /** Kills all that runs: it is not to be waited for. */
  hurry(): Action[] {
    this.#stopping = true;
    this.#isAsked = true;
    this.#isHurried = true;
    return this.#active().map(kill);
  }

  /** Kills the apps by force: of none, a post-stop handler starts any more. */
  kill(): Action[] {
    this.#isKilled = true;
    return this.hurry();
  }

  #find(name: string): State {
    const app = this.#apps.get(name);
    if (app === undefined) throw new Error(`${name}: not an app of this pod`);
    return app;
  }

  #processEnded(app: State, end: End): Action[] {
    switch (app.phase) {
      case "pre-start":
        return isSuccess(end) && !this.#stopping && !app.isAsked
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

  #endOfApp(app: State, end: End, hasPostStop: boolean): Action[] {
    const status = this.#statusOf(app, end);
    if (!this.#isMutable) {
      this.#status ||= status;
      this.#stopping ||= status !== 0;
    }
    app.phase = "ended";
    return [
      saveStatus(app, status),
      ...(hasPostStop ? [start(app, "post-stop")] : []),
    ];
  }

  /** An app that ends by the signal that asked it to has not failed. */
  #statusOf(app: State, end: End): number {
    if ("status" in end) return end.status;
    const isAsked = this.#stopping || app.isAsked;
    return isAsked && end.signal === askingSignal(app) ? 0 : 128 + end.signal;
  }

  /** Where a pod is to end, goes on to the last app that has not ended, unless it is there. */
  #nextTurn(): Action[] {
    if (!this.#stopping) return [];
    const app = this.#active().at(-1);
    if (app?.name === this.#turn?.name && app?.phase === this.#turn?.phase) return [];
    this.#turn = app && { name: app.name, phase: app.phase };
    return app ? this.#ask(app) : [];
  }

  /**
   * Asks an app to end, unless that has been done. A post-stop handler has nothing to be asked for:
   * it is on its way to the end.
   */
  #ask(app: State): Action[] {
    if (app.askedIn === app.phase) return [];
    app.askedIn = app.phase;
    const wait = (milliseconds: number): Action => ({ do: "wait", app: app.name, milliseconds });
    if (app.phase === "post-stop") return this.#isAwaited(app) ? [wait(HANDLER_PATIENCE)] : [];
    if (this.#isHurried) return [];
    const ask: Action = { do: "signal", app: app.name, signal: askingSignal(app) };
    if (app.phase === "pre-start") return [ask, wait(HANDLER_PATIENCE)];
    return app.stop.patience === 0 ? [kill(app)] : [ask, wait(app.stop.patience)];
  }

  /**
   * Whether somebody waits for the app, or for what is left of a pod that does not end by itself.
   */
  #isAwaited({ isAsked }: State): boolean {
    return isAsked || this.#isAsked || this.#active().length > 1;
  }

  #active(): State[] {
    return this.#states.filter(({ phase }) => phase !== "ended");
  }

  get #states(): State[] {
    return [...this.#apps.values()];
  }
}

function stateOf({ name, hasPreStart, hasPostStop, stop }: Living): State {
  const living = { name, hasPreStart, hasPostStop, stop };
  return { ...living, phase: "ended", hasRun: false, isAsked: false, askedIn: undefined };
}

function saveStatus({ name }: State, status: number): Action {
  return { do: "save-status", app: name, status };
}

function start(app: State, phase: ActivePhase): Action {
  app.phase = phase;
  app.hasRun ||= phase === "running";
  return { do: "start", app: app.name, phase };
}

function kill({ name }: Pick<State, "name">): Action {
  return { do: "signal", app: name, signal: SIGKILL };
}

/** The annotation is for the app's own program; its handlers are others. */
function askingSignal({ phase, stop }: State): number {
  return phase === "running" ? stop.signal : SIGTERM;
}

function isSuccess(end: End): boolean {
  return "status" in end && end.status === 0;
}
