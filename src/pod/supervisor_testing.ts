/**
 * A pod that its supervisor's tests are made with, and the clients that change it.
 *
 * @module
 */

import type { Connection } from "../control/connection.ts";
import type { NamedFd } from "../control/envelope.ts";
import type { AddedApp } from "../control/messages.ts";
import { Fd } from "../linux/fd.ts";
import { POLLIN, POLLPRI } from "../linux/poll.ts";
import type { End } from "../linux/wait.ts";
import { USUAL_STOP } from "../plan/stop.ts";
import { AddedApps, type ChangingPod, type FollowProcess } from "./added_apps.ts";
import { DoubleOfClient } from "./client_testing.ts";
import type { ActivePhase, Living } from "./life.ts";
import type { SupervisorHooks } from "./supervised_pod.ts";
import { supervise } from "./supervisor.ts";
import type { SupervisorKernel } from "./supervisor_kernel.ts";
import { DoubleOfKernel, FIRST_PROCESS } from "./supervisor_kernel_testing.ts";

/** The descriptors by which what happens is seen. */
const STREAM = 11;
const MEMORY = 12;
const NOTIFICATIONS = 13;
const REQUESTS = 14;
/** How many milliseconds apps are not listened to once they have told something. */
const PAUSE = 200;

/** Something that happens in a pod. */
export type PodEvent =
  | { signal: number; isKernels?: boolean; value?: number; pid?: number }
  /** An app's process stops by a signal. */
  | { stopped: string; by: number }
  | { ended: string; end: End }
  /** A child that nobody has started becomes known to be there. */
  | { stranger: number }
  /** The kernel may have killed something for memory. */
  | { short: true }
  | { written: string }
  | { escaped: true }
  /** All that was written has been read. */
  | { allRead: true }
  /** The apps that tell of themselves have told that they are ready. */
  | { toldReady: true }
  /** A client asks for something, answers, or goes. */
  | { client: () => void }
  /** The pod's pid 1 ends. */
  | { first: "ends" };

/** A pod, with a kernel of its own. Nothing of it is real. */
export class DoubleOfPod {
  readonly hooks: SupervisorHooks;
  readonly #kernel = new DoubleOfKernel();
  #added: AddedApps | undefined;
  readonly #asked: (() => void)[] = [];
  readonly #apps: readonly Living[];
  readonly #syslogs = new Map<string, Fd>();
  #written: string | undefined;
  #hasEscaped = false;
  #isAllRead = true;
  #isShared = false;
  #isToldReady = true;
  /** Until when what apps tell is not listened to. */
  #pausedUntil = 0;

  constructor(...apps: (string | Pick<Living, "name"> & Partial<Living>)[]) {
    const usual = { hasPreStart: false, hasPostStop: false, stop: USUAL_STOP };
    this.#apps = apps.map((app) => ({
      ...usual,
      ...(typeof app === "string" ? { name: app } : app),
    }));
    this.hooks = this.#makeHooks();
  }

  /** What the supervisor has done, with the time in milliseconds. */
  get log(): readonly string[] {
    return this.#kernel.log;
  }

  /** The calls of the kernel that the supervisor makes. */
  get kernel(): SupervisorKernel {
    return this.#kernel.calls;
  }

  /** Has something happen at a time, in milliseconds. Events are given in their order. */
  at(milliseconds: number, ...events: PodEvent[]): this {
    for (const event of events) this.#kernel.at(milliseconds, () => this.#happen(event));
    return this;
  }

  /** What is written is not read until it is said that it is. */
  withStalledReader(): this {
    this.#isAllRead = false;
    return this;
  }

  /** The app is in the caller's session, together with the supervisor. */
  inCallersSession(): this {
    this.#isShared = true;
    return this;
  }

  /** The caller ignores these signals. */
  ignoring(...signals: number[]): this {
    this.#kernel.ignored = signals;
    return this;
  }

  /** Whenever the supervisor stops, these signals come before it goes on. */
  whileStopped(...signals: number[]): this {
    this.#kernel.whileStopped = signals
      .map((number) => ({ number, pid: 0, isKernels: false, value: 0 }));
    return this;
  }

  /** An app of the pod tells when it is ready. */
  withTeller(): this {
    this.#isToldReady = false;
    return this;
  }

  /** The pod's apps come and go. */
  mutable(): this {
    this.#added = new AddedApps(this.#makeChangingPod(), this.#follow);
    this.hooks.added = this.#added;
    return this;
  }

  /** A client asks for something at a time. */
  ask(at: number, to: "add" | "start" | "stop" | "remove", app: string): DoubleOfClient {
    const client = new DoubleOfClient();
    const handle = (connection: Connection) =>
      this.#added!.handlers[to]({ do: to, app } as never, connection);
    this.at(at, { client: () => void client.ask(handle) });
    return client;
  }

  /** A client sends what it has built at a time. */
  build(
    at: number,
    client: DoubleOfClient,
    more: Partial<AddedApp> = {},
    notes: string[] = [],
  ): this {
    const stdio = { stdin: "null", stdout: "log", stderr: "log" } as const;
    const rest = { cgroupPaths: [], watchedCgroups: [], stop: USUAL_STOP };
    const added: AddedApp = { field: "apps[0]", stdio, ...rest, ...more };
    const names = ["mounts", "root", "cgroup", "cgroup", "syslog"];
    return this.at(at, {
      client: () =>
        client.say({ added, notes }, names.map((name) => [name, this.#kernel.openFd()])),
    });
  }

  /** A client sends what it has launched at a time. */
  launch(at: number, client: DoubleOfClient, app: string, ...phases: ActivePhase[]): this {
    return this.at(at, { client: () => client.say(...this.#launch(app, phases)) });
  }

  /** Adds an app at a time, and has it start. */
  begin(at: number, app: string, more: Partial<AddedApp> = {}): this {
    const adding = this.ask(at, "add", app);
    this.build(at, adding, more);
    const phases: ActivePhase[] = more.postStop ? ["running", "post-stop"] : ["running"];
    return this.launch(at, this.ask(at, "start", app), app, ...phases);
  }

  #launch(app: string, phases: readonly ActivePhase[]): [object, NamedFd[]] {
    const kernel = this.#kernel;
    const fds: NamedFd[] = [];
    const launched = phases.map((phase) => {
      const isDeferred = phase === "post-stop";
      const pid = isDeferred ? kernel.defer(app) : kernel.start(app);
      fds.push([`${phase} minder`, kernel.openFd(pid)]);
      if (isDeferred) return { phase };
      fds.push([`${phase} process`, kernel.openFd()]);
      return { phase, pid };
    });
    return [{ launched }, fds];
  }

  readonly #follow: FollowProcess = (minder, held) => {
    const kernel = this.#kernel;
    let pid = held?.pid;
    return {
      get pid() {
        return pid;
      },
      fds: [minder.number],
      go: () => {
        pid = kernel.processOf(minder)!;
        kernel.begin(pid);
        this.#note(`go ${kernel.appOf(pid)}`);
      },
      endAfter: () => kernel.takeEnd(pid!),
      signal: (signal) => this.#note(`signal ${signal} ${kernel.appOf(pid!)}`),
      signalGroup: (signal) => this.#note(`group ${signal} ${kernel.appOf(pid!)}`),
      [Symbol.dispose]: () => {
        minder[Symbol.dispose]();
        held?.process[Symbol.dispose]();
      },
    };
  };

  #makeChangingPod(): ChangingPod {
    const syslogs = this.#syslogs;
    const nothing = new Fd(0);
    return {
      fds: [],
      streams: {
        addApp: (app, { syslog }) => void syslogs.set(app, syslog!),
        removeApp: (app) => {
          syslogs.get(app)?.[Symbol.dispose]();
          syslogs.delete(app);
          return undefined;
        },
        appStarting: () => {},
        say: (line) => this.#note(line),
        appEnded: () => {},
        withStdio: (_, act) =>
          act({ fds: [nothing, nothing, nothing], hasTerminal: false, isCallers: false }),
      },
      added: ({ name }) => this.#note(`added ${name}`),
      prepareStatus: (app) => this.#note(`fresh ${app}`),
      started: () => {},
      end: () => {},
      removed: ({ name }) => this.#note(`removed ${name}`),
      debug: () => {},
    };
  }

  /** Supervises the pod to its end. */
  run(): number {
    const status = supervise(this.hooks, this.kernel);
    this.#note("over");
    this.#kernel.assertOver();
    return status;
  }

  /** What the supervisor has done of one kind, such as `signal`. */
  done(kind: string): string[] {
    return this.log.filter((line) => line.split(" ")[1] === kind);
  }

  #note(what: string): void {
    this.#kernel.note(what);
  }

  #makeHooks(): SupervisorHooks {
    return {
      apps: this.#apps,
      start: (app, phase) => {
        this.#note(`start ${app}: ${phase}`);
        return this.#kernel.start(app);
      },
      started: () => {},
      fieldOf: (app, phase) => `${app}.${phase}`,
      sweep: (app) => this.#note(`sweep ${app}`),
      saveStatus: (app, status) => this.#note(`save ${app}: ${status}`),
      begun: () => this.#note("begun"),
      allStarted: () => this.#note("all started"),
      ready: () => this.#note("ready"),
      stopping: () => this.#note("stopping"),
      end: () => {
        this.#note("end");
        this.#added?.[Symbol.dispose]();
        for (const syslog of this.#syslogs.values()) syslog[Symbol.dispose]();
      },
      firstProcess: FIRST_PROCESS,
      streams: this.#makeStreams(),
      memory: this.#makeMemory(),
      notifications: this.#makeNotifications(),
      added: undefined,
      requests: {
        interests: () => [{ fd: REQUESTS, events: POLLIN }],
        untilNext: () => undefined,
        onReady: () => this.#asked.splice(0).forEach((act) => act()),
      },
      debug: () => {},
    };
  }

  #makeStreams(): SupervisorHooks["streams"] {
    const hasEscaped = () => this.#hasEscaped;
    const isDone = () => this.#isAllRead;
    const isShared = () => this.#isShared;
    return {
      get isShared() {
        return isShared();
      },
      get hasEscaped() {
        return hasEscaped();
      },
      get isDone() {
        return isDone();
      },
      isInBackground: false,
      interests: () => [{ fd: STREAM, events: POLLIN }],
      onReady: (ready) => {
        if (!ready.some(({ fd }) => fd === STREAM)) return;
        if (this.#written !== undefined) this.#note(`pass ${this.#written}`);
        this.#written = undefined;
      },
      podEnded: () => this.#note("rest"),
      resize: () => this.#note("resize"),
      resume: () => this.#note("resume"),
      suspend: () => this.#note("suspend"),
      untilNext: () => undefined,
      say: (text) => this.#note(`say ${text}`),
      writeLine: (line) => this.#note(`line ${line}`),
    };
  }

  /** Something is to be looked at half a second after it has happened. */
  #makeMemory(): SupervisorHooks["memory"] {
    let due: number | undefined;
    return {
      interests: () => due === undefined ? [{ fd: MEMORY, events: POLLPRI }] : [],
      onReady: (ready, now) => {
        if (ready.some(({ fd }) => fd === MEMORY)) due ??= now + 500;
      },
      dueIn: (now) => due === undefined ? undefined : Math.max(0, due - now),
      look: () => {
        if (due !== undefined) this.#note("look");
        due = undefined;
      },
    };
  }

  #makeNotifications(): SupervisorHooks["notifications"] {
    const isReady = () => this.#isToldReady;
    const untilNext = () =>
      this.#kernel.now < this.#pausedUntil ? this.#pausedUntil - this.#kernel.now : undefined;
    return {
      get isReady() {
        return isReady();
      },
      untilNext,
      interests: () => untilNext() === undefined ? [{ fd: NOTIFICATIONS, events: POLLIN }] : [],
      onReady: (ready) => {
        if (!ready.some(({ fd }) => fd === NOTIFICATIONS)) return;
        this.#note("told");
        this.#isToldReady = true;
        this.#pausedUntil = this.#kernel.now + PAUSE;
      },
    };
  }

  /** Has an event happen, and returns the descriptor that it is seen by. */
  #happen(event: PodEvent): number {
    const kernel = this.#kernel;
    if ("first" in event) return kernel.endFirst();
    if ("ended" in event) return kernel.end(event.ended, event.end);
    if ("signal" in event) return kernel.signal(event.signal, event);
    if ("stopped" in event) return kernel.stop(event.stopped, event.by);
    if ("stranger" in event) return kernel.addStranger(event.stranger);
    if ("short" in event) return MEMORY;
    if ("toldReady" in event) return NOTIFICATIONS;
    if ("client" in event) {
      this.#asked.push(event.client);
      return REQUESTS;
    }
    if ("written" in event) this.#written = event.written;
    else if ("escaped" in event) this.#hasEscaped = true;
    else this.#isAllRead = true;
    return STREAM;
  }
}
