/**
 * The apps of a mutable pod, which are added, started, stopped and removed while it runs. What
 * takes privileges, the clients do: `app-add` builds an app, `app-start` launches its processes.
 * They hand over descriptors, and what they had begun is undone when they go half-way.
 *
 * @module
 */

import type { Connection } from "../control/connection.ts";
import type { NamedFd, ReceivedFds } from "../control/envelope.ts";
import {
  Added,
  type AddedApp,
  APP_FDS,
  Launched,
  type LaunchedProcess,
} from "../control/messages.ts";
import type { Handlers } from "../control/server.ts";
import type { Fd } from "../linux/fd.ts";
import { quoteText } from "../linux/text.ts";
import { APP_ADD } from "../stage1/arguments.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";
import type { RecordedProcess } from "../stage1/processes_file.ts";
import type { Streams } from "../stream/streams.ts";
import { FollowedProcess } from "./followed_process.ts";
import { type HeldApp, holdApp, letGo, takeLaunched, withLaunchFds } from "./held_app.ts";
import type { ActivePhase } from "./life.ts";
import type { PodChanges, SupervisedApps } from "./supervised_pod.ts";

/** The requests by which a pod's apps change. */
type ChangingHandlers = Pick<Handlers, "add" | "start" | "stop" | "remove">;

/** The rest of the pod, which learns of the apps that come and go. */
export interface ChangingPod {
  /** The descriptors of the pod that its clients need. */
  fds: readonly NamedFd[];
  streams: Pick<
    Streams,
    "addApp" | "appEnded" | "appStarting" | "removeApp" | "say" | "withStdio"
  >;
  /** Takes what an app needs on the disk, and begins to watch it. */
  added(app: HeldApp): void;
  /**
   * Has the app's status written when it ends, whatever room the disk has then. It has none until
   * then.
   */
  prepareStatus(app: string): void;
  /** Takes note of the process that an app has now. */
  started(app: HeldApp, pid: number, record: RecordedProcess | undefined): void;
  /** Kills all that is left of an app's processes. */
  end(app: HeldApp): void;
  /** Gives back all that `added` has taken. */
  removed(app: HeldApp): void;
  debug: Debug;
}

/** A client that starts an app. */
interface Start {
  connection: Connection;
  /** Whether it has been told to launch a process, and has not answered. */
  isLaunching: boolean;
}

/** A client that waits until an app has ended. */
interface Waiter {
  app: string;
  /** What it has asked for. */
  to: "start" | "stop" | "remove";
  connection: Connection;
}

/** Why nothing begins any more. */
const STOPPING = "the pod is being stopped";

/** Follows a process that has a minder. */
export type FollowProcess = (
  ...minded: ConstructorParameters<typeof FollowedProcess>
) => Pick<FollowedProcess, keyof FollowedProcess>;

/** Returns the handlers of a pod that stays as it began. */
export function immutableHandlers(): ChangingHandlers {
  const refuse = () => {
    throw new Error("the pod is immutable: it has the apps that it began with");
  };
  return { add: refuse, start: refuse, stop: refuse, remove: refuse };
}

/** The apps that come and go. Errors are those of the clients who asked. */
export class AddedApps implements SupervisedApps, Disposable {
  readonly #pod: ChangingPod;
  readonly #follow: FollowProcess;
  readonly #apps = new Map<string, HeldApp>();
  /** The names of apps that are being added. */
  readonly #reserved = new Map<string, Connection>();
  readonly #starts = new Map<string, Start>();
  /** The post-stop handlers that have yet to begin. */
  readonly #postStops = new Map<string, ReturnType<FollowProcess>>();
  readonly #waiters = new Set<Waiter>();
  /** The apps that have been asked to end, and have not ended yet. */
  readonly #asked = new Set<string>();
  #changes!: PodChanges;

  /** @param follow Follows a process by its minder's socket. */
  constructor(
    pod: ChangingPod,
    follow: FollowProcess = (...minded) => new FollowedProcess(...minded),
  ) {
    this.#pod = pod;
    this.#follow = follow;
  }

  /** What is done for each request. */
  get handlers(): ChangingHandlers {
    return {
      add: ({ app }, connection) => this.#reserve(app, connection),
      start: ({ app }, connection) => this.#start(app, connection),
      stop: ({ app }, connection) => this.#stop(app, connection),
      remove: ({ app }, connection) => this.#remove(app, connection),
    };
  }

  /** The apps that the pod has. */
  get all(): readonly HeldApp[] {
    return [...this.#apps.values()];
  }

  /** Returns an app, if it has been added. */
  get(app: string): HeldApp | undefined {
    return this.#apps.get(app);
  }

  serve(changes: PodChanges): void {
    this.#changes = changes;
  }

  has(app: string): boolean {
    return this.#apps.has(app);
  }

  start(name: string, phase: ActivePhase): void {
    const app = this.#apps.get(name)!;
    if (phase === "post-stop") return this.#releasePostStop(app);
    const start = this.#starts.get(name);
    if (start === undefined) throw new Error(`${nameOf(name)}: who started it has gone`);
    this.#order(start, app, phase);
  }

  abandonStart(app: string): void {
    const start = this.#starts.get(app);
    if (start === undefined) return;
    this.#endStart(app);
    start.connection.fail(`${nameOf(app)}: it was stopped before it had started`);
    this.#changes.notStarted(app);
  }

  ended(app: string): void {
    // Streams may have been made for a process that was never started.
    this.#orTell(app, () => this.#pod.streams.appEnded(app));
    this.#asked.delete(app);
    this.#dropPostStop(app);
    this.#failStart(app);
    this.#answerWaiters(app);
  }

  stopping(): void {
    for (const connection of this.#reserved.values()) connection.fail(STOPPING);
    this.#reserved.clear();
    for (const waiter of this.#waiters) {
      if (waiter.to !== "start") continue;
      this.#waiters.delete(waiter);
      waiter.connection.fail(STOPPING);
    }
    for (const [app, { isLaunching }] of this.#starts) if (isLaunching) this.abandonStart(app);
  }

  /** Lets all apps go, when no process of the pod is left: their roots can be unmounted then. */
  [Symbol.dispose](): void {
    for (const app of this.#apps.values()) letGo(app);
    for (const postStop of this.#postStops.values()) postStop[Symbol.dispose]();
  }

  /** Lets go a post-stop handler that was made ready and did not begin. */
  #dropPostStop(app: string): void {
    const postStop = this.#postStops.get(app);
    this.#postStops.delete(app);
    this.#orTell(app, () => postStop?.[Symbol.dispose]());
  }

  /** Ends a start of an app that has ended before it was started as a whole. */
  #failStart(app: string): void {
    const start = this.#starts.get(app);
    this.#endStart(app);
    // How it has ended has been told already.
    const what = this.#apps.get(app)?.preStart ?? nameOf(app);
    start?.connection.reply({ error: `${what}: has not ended well` });
  }

  #answerWaiters(app: string): void {
    const waiters = [...this.#waiters].filter((waiter) => waiter.app === app);
    for (const waiter of waiters) this.#waiters.delete(waiter);
    // Who stops an app learns of its end before somebody else starts or removes it.
    for (const to of ["stop", "start", "remove"] as const) {
      for (const { connection } of waiters.filter((waiter) => waiter.to === to)) {
        this.#answer(app, to, connection);
      }
    }
  }

  /** Keeps a name for a client, which builds the app meanwhile. */
  #reserve(app: string, connection: Connection): void {
    this.#refuseIfStopping();
    if (this.#reserved.has(app)) throw new Error(`${nameOf(app)}: it is being added`);
    if (this.#apps.has(app)) throw new Error(`${nameOf(app)}: the pod has it already`);
    this.#reserved.set(app, connection);
    connection.onEnd = () => this.#reserved.delete(app);
    connection.expect(Added, (message, fds) => {
      if ("failed" in message) throw new Error(message.failed);
      this.#add(app, message.added, fds);
      for (const note of message.notes) this.#pod.streams.say(`${APP_ADD.name}: ${note}`);
      this.#reserved.delete(app);
      connection.reply();
    });
    connection.send({ ok: {} }, this.#pod.fds);
  }

  /** Takes an app that has been built, with all that the pod needs of it, or nothing at all. */
  #add(name: string, added: AddedApp, fds: ReceivedFds): void {
    using undo = new DisposableStack();
    const app = holdApp(name, added, fds, undo);
    const { stdio, log } = added;
    const syslog = fds.takeIfThere(APP_FDS.syslog);
    undo.defer(() => this.#pod.streams.removeApp(name));
    this.#pod.streams.addApp(name, { stdio, log, syslog });
    undo.defer(() => this.#pod.removed(app));
    this.#pod.added(app);
    this.#changes.add({
      name,
      hasPreStart: added.preStart !== undefined,
      hasPostStop: added.postStop !== undefined,
      stop: added.stop,
    });
    this.#apps.set(name, app);
    undo.move();
  }

  /** An app that runs has been started; one that is about to end is started again then. */
  #start(app: string, connection: Connection): void {
    this.#refuseIfStopping();
    if (!this.#apps.has(app)) throw new Error(`the pod has no ${nameOf(app)}`);
    if (this.#starts.has(app)) throw new Error(`${nameOf(app)}: it is being started`);
    const phase = this.#changes.phaseOf(app);
    if (phase === "running" && !this.#asked.has(app)) return void connection.reply();
    if (phase !== "ended") return this.#await(app, "start", connection);
    this.#pod.prepareStatus(app);
    this.#starts.set(app, { connection, isLaunching: false });
    connection.onEnd = () => this.#clientLeft(app);
    this.#changes.start(app);
  }

  /** Undoes what a client had begun to start. */
  #clientLeft(app: string): void {
    const isLaunching = this.#starts.get(app)?.isLaunching;
    this.#endStart(app);
    if (isLaunching) this.#changes.notStarted(app);
    else this.#changes.kill(app);
  }

  #endStart(app: string): void {
    const start = this.#starts.get(app);
    if (start) start.connection.onEnd = undefined;
    this.#starts.delete(app);
  }

  /**
   * Has a client launch what comes next. An app's post-stop handler is made ready together with the
   * app: when the app ends, nobody is there any more who could launch it.
   */
  #order(start: Start, app: HeldApp, phase: "pre-start" | "running"): void {
    const isLast = phase === "running";
    const phases: ActivePhase[] = isLast && app.postStop !== undefined
      ? [phase, "post-stop"]
      : [phase];
    const { connection } = start;
    start.isLaunching = true;
    connection.expect(Launched, (message, fds) => {
      start.isLaunching = false;
      if ("failed" in message) return this.#fail(app.name, start, message.failed);
      this.#launched(app, phase, message.launched, fds);
      if (!isLast) return;
      this.#endStart(app.name);
      connection.reply();
    });
    const isSent = withLaunchFds(
      app,
      phases,
      this.#pod.streams,
      (fds) => connection.send({ launch: phases }, [...this.#pod.fds, ...fds]),
    );
    if (!isSent) {
      throw new Error(`${nameOf(app.name)}: was not started: whoever asked for that has gone`);
    }
  }

  #fail(app: string, { connection }: Start, why: string): void {
    this.#endStart(app);
    this.#changes.notStarted(app);
    connection.fail(why);
  }

  /** Takes the processes that a client has launched. */
  #launched(
    app: HeldApp,
    phase: ActivePhase,
    launched: readonly LaunchedProcess[],
    fds: ReceivedFds,
  ): void {
    const { pid, process, record, minder, postStop } = takeLaunched(app, phase, launched, fds);
    const begun = (pid: number) => this.#pod.started(app, pid, undefined);
    if (postStop) this.#postStops.set(app.name, this.#follow(postStop, undefined, begun));
    this.#changes.started(app.name, phase, this.#follow(minder, { pid, process }, begun));
    this.#pod.started(app, pid, record);
  }

  #releasePostStop(app: HeldApp): void {
    const postStop = this.#postStops.get(app.name);
    if (postStop === undefined) throw new Error(`${app.postStop}: it was not made ready`);
    this.#postStops.delete(app.name);
    this.#pod.streams.appStarting(app.name);
    postStop.go();
    this.#changes.started(app.name, "post-stop", postStop);
  }

  /** rkt stops each app before it removes it, and takes no other answer than that it has ended. */
  #stop(app: string, connection: Connection): void {
    const phase = this.#changes.phaseOf(app);
    if (phase === undefined || phase === "ended") return void connection.reply();
    this.#await(app, "stop", connection);
    this.#ask(app);
  }

  /** An app that the pod does not have was added only in part, if at all. */
  #remove(app: string, connection: Connection): void {
    if (this.#reserved.has(app)) throw new Error(`${nameOf(app)}: it is being added`);
    const phase = this.#changes.phaseOf(app);
    if (phase === undefined || phase === "ended") {
      return replyWith(this.#removeEnded(app), connection);
    }
    this.#await(app, "remove", connection);
    this.#ask(app);
  }

  #await(app: string, to: Waiter["to"], connection: Connection): void {
    const waiter = { app, to, connection };
    this.#waiters.add(waiter);
    connection.onEnd = () => this.#waiters.delete(waiter);
  }

  #ask(app: string): void {
    this.#asked.add(app);
    this.#changes.stop(app);
  }

  /**
   * Does what a client has asked for, now that an app has ended. Another client that has waited may
   * have started it again.
   */
  #answer(app: string, to: Waiter["to"], connection: Connection): void {
    try {
      if (to === "start") return this.#start(app, connection);
      if (to === "remove") return this.#remove(app, connection);
      connection.reply();
    } catch (error) {
      connection.fail(error);
    }
  }

  /** @returns What only a process that ends may close, if there is such. */
  #removeEnded(name: string): Fd | undefined {
    const app = this.#apps.get(name);
    if (app === undefined) return undefined;
    this.#pod.end(app);
    this.#apps.delete(name);
    this.#changes.remove(name);
    const left = this.#orTell(name, () => this.#pod.streams.removeApp(name));
    this.#orTell(name, () => this.#pod.removed(app));
    letGo(app);
    return left;
  }

  /** What cannot be given back is told, and the rest is given back all the same. */
  #orTell<T>(app: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      this.#pod.debug(`${nameOf(app)}: ${describeError(error)}`);
      return undefined;
    }
  }

  #refuseIfStopping(): void {
    if (this.#changes.isStopping()) throw new Error(STOPPING);
  }
}

/** Hands what is left of an app to its remover, which is about to end. Else it stays open here. */
function replyWith(left: Fd | undefined, connection: Connection): void {
  const isSent = connection.reply({ ok: {} }, left ? [[APP_FDS.syslog, left]] : []);
  if (isSent) left?.[Symbol.dispose]();
}

function nameOf(app: string): string {
  return `app ${quoteText(app)}`;
}
