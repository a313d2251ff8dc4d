/**
 * A pod that its supervisor's tests are made with, together with the kernel: no process is started,
 * and no time passes.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type * as z from "zod/mini";
import { checkValue } from "../appc/parse.ts";
import type { Schema } from "../appc/schema.ts";
import type { Connection } from "../control/connection.ts";
import { type NamedFd, ReceivedFds } from "../control/envelope.ts";
import type { AddedApp, ServerMessage } from "../control/messages.ts";
import { Fd } from "../linux/fd.ts";
import { type PollEvents, POLLIN, POLLPRI } from "../linux/poll.ts";
import { SIGCHLD } from "../linux/signal_numbers.ts";
import type { Signal } from "../linux/signals.ts";
import type { End } from "../linux/wait.ts";
import { USUAL_STOP } from "../plan/stop.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { AddedApps, type ChangingPod, type HoldProcess } from "./added_apps.ts";
import type { ActivePhase, Living } from "./life.ts";
import type { SupervisorHooks } from "./supervised_pod.ts";
import { supervise } from "./supervisor.ts";
import type { SupervisorKernel } from "./supervisor_kernel.ts";

/** The descriptors of signals, streams and memory, and the first that a process may get. */
const SIGNALS = 10;
const STREAM = 11;
const MEMORY = 12;
const NOTIFICATIONS = 13;
const REQUESTS = 14;
const FIRST_FD = 100;
/** The process ids of the pod's pid 1, and of the first process of an app that starts. */
const FIRST_PROCESS = 999;
const FIRST_PID = 1000;
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

/** A client of the supervisor. */
export class DoubleOfClient implements Connection {
  /** What it was answered, last of all. */
  readonly answers: object[] = [];
  onEnd: (() => void) | undefined;
  #expected: { schema: Schema; take: (message: never, fds: ReceivedFds) => void } | undefined;

  send(message: ServerMessage): boolean {
    this.answers.push(message);
    return true;
  }

  reply(message: ServerMessage = { ok: {} }): boolean {
    this.send(message);
    this.#expected = this.onEnd = undefined;
    return true;
  }

  fail(why: unknown): void {
    const error = describeError(why);
    this.reply({ error });
  }

  expect<S extends z.ZodMiniType>(
    schema: Schema<S>,
    take: (message: z.infer<S>, fds: ReceivedFds) => void,
  ): void {
    this.#expected = { schema, take };
  }

  listen = this.expect;

  /** Opens the connection by a request. */
  ask(handle: (connection: Connection) => void): this {
    try {
      handle(this);
    } catch (error) {
      this.fail(error);
    }
    return this;
  }

  /** Sends another message. */
  say(message: object, fds: readonly NamedFd[]): void {
    const { schema, take } = this.#expected!;
    const { onEnd } = this;
    this.#expected = undefined;
    try {
      using received = new ReceivedFds(fds);
      take(checkValue(message, schema(), "message") as never, received);
    } catch (error) {
      this.fail(error);
      onEnd?.();
    }
  }

  /** Goes half-way. */
  leave(): void {
    const { onEnd } = this;
    this.#expected = this.onEnd = undefined;
    onEnd?.();
  }
}

/** A pod and its kernel, whose clock goes from one event to the next. Nothing of it is real. */
export class DoubleOfPod {
  /** What the supervisor has done, with the time in milliseconds. */
  readonly log: string[] = [];
  readonly hooks: SupervisorHooks;
  readonly kernel: SupervisorKernel;
  #added: AddedApps | undefined;
  readonly #asked: (() => void)[] = [];
  readonly #apps: readonly Living[];
  readonly #events: [at: number, event: PodEvent][] = [];
  #now = 0;
  /** How often the supervisor may still wait. */
  #patience = 100;
  #nextPid = FIRST_PID;
  /** What runs, by process id; and what has ended, and not been waited for. */
  readonly #running = new Map<number, string>();
  readonly #syslogs = new Map<string, Fd>();
  /** Processes that have yet to begin. */
  readonly #held = new Map<number, string>();
  readonly #ends = new Map<number, End>();
  readonly #strangers = new Set<number>();
  #hasFirstEnded = false;
  /** The open descriptors, and the process that each one holds, if it does. */
  readonly #open = new Map<number, number | undefined>();
  #signals: Signal[] = [];
  #written: string | undefined;
  #hasEscaped = false;
  #isAllRead = true;
  #isShared = false;
  #isToldReady = true;
  /** Until when what apps tell is not listened to. */
  #pausedUntil = 0;
  #ignored: readonly number[] = [];
  /** The signals that come while the supervisor is stopped. */
  #whileStopped: Signal[] = [];
  readonly #stops = new Map<number, number>();

  constructor(...apps: (string | Pick<Living, "name"> & Partial<Living>)[]) {
    const usual = { hasPreStart: false, hasPostStop: false, stop: USUAL_STOP };
    this.#apps = apps.map((app) => ({
      ...usual,
      ...(typeof app === "string" ? { name: app } : app),
    }));
    this.hooks = this.#makeHooks();
    this.kernel = this.#makeKernel();
  }

  /** Has something happen at a time, in milliseconds. Events are given in their order. */
  at(milliseconds: number, ...events: PodEvent[]): this {
    for (const event of events) this.#events.push([milliseconds, event]);
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
    this.#ignored = signals;
    return this;
  }

  /** Whenever the supervisor stops, these signals come before it goes on. */
  whileStopped(...signals: number[]): this {
    this.#whileStopped = signals.map((number) => ({ number, pid: 0, isKernels: false, value: 0 }));
    return this;
  }

  /** An app of the pod tells when it is ready. */
  withTeller(): this {
    this.#isToldReady = false;
    return this;
  }

  /** The pod's apps come and go. */
  mutable(): this {
    this.#added = new AddedApps(this.#makeChangingPod(), this.#hold);
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
        client.say({ added, notes }, names.map((name) => [name, this.#openFd(this.#freeFd())])),
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
    const fds: NamedFd[] = [];
    const launched = phases.map((phase) => {
      const pid = this.#nextPid++;
      fds.push([`${phase} minder`, this.#openFd(this.#freeFd(), pid)]);
      if (phase === "post-stop") {
        this.#held.set(pid, app);
        return { phase };
      }
      fds.push([`${phase} process`, this.#openFd(this.#freeFd())]);
      this.#running.set(pid, app);
      return { phase, pid };
    });
    return [{ launched }, fds];
  }

  readonly #hold: HoldProcess = (minder, held) => {
    let pid = held?.pid;
    return {
      get pid() {
        return pid;
      },
      fds: [minder.number],
      go: () => {
        pid = this.#open.get(minder.number)!;
        this.#running.set(pid, this.#held.get(pid)!);
        this.#note(`go ${this.#running.get(pid)}`);
      },
      endAfter: () => {
        const end = this.#ends.get(pid!);
        this.#ends.delete(pid!);
        return end;
      },
      signal: (signal) => this.#note(`signal ${signal} ${this.#running.get(pid!)}`),
      signalGroup: (signal) => this.#note(`group ${signal} ${this.#running.get(pid!)}`),
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
    assertEquals(this.#events, [], "events that nobody has waited for");
    assertEquals([...this.#open.keys()], [], "descriptors that are still open");
    return status;
  }

  /** What the supervisor has done of one kind, such as `signal`. */
  done(kind: string): string[] {
    return this.log.filter((line) => line.split(" ")[1] === kind);
  }

  #note(what: string): void {
    this.log.push(`${this.#now} ${what}`);
  }

  #makeHooks(): SupervisorHooks {
    return {
      apps: this.#apps,
      start: (app, phase) => {
        this.#note(`start ${app}: ${phase}`);
        this.#running.set(this.#nextPid, app);
        return this.#nextPid++;
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
      this.#now < this.#pausedUntil ? this.#pausedUntil - this.#now : undefined;
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
        this.#pausedUntil = this.#now + PAUSE;
      },
    };
  }

  #makeKernel(): SupervisorKernel {
    return {
      openSignals: () => this.#openFd(SIGNALS),
      unblockSignals: () => this.#note("unblock"),
      readSignals: () => this.#signals.splice(0),
      openProcess: (pid) => this.#openFd(this.#freeFd(), pid),
      endOf: (pid) => {
        const end = this.#ends.get(pid);
        assert(end !== undefined, `${pid} has not ended: the supervisor would wait for it`);
        this.#ends.delete(pid);
        return end;
      },
      signalProcess: ({ number }, signal) =>
        this.#note(`signal ${signal} ${this.#running.get(this.#open.get(number)!)}`),
      childrenOf: () => [FIRST_PROCESS, ...this.#running.keys(), ...this.#strangers],
      changeOf: (pid) => {
        this.#note(`reap ${pid}`);
        this.#strangers.delete(pid);
        return { status: 0 };
      },
      hasEnded: (pid) => pid === FIRST_PROCESS && this.#hasFirstEnded,
      monotonicMilliseconds: () => this.#now,
      giveBackMemory: () => this.#note("lean"),
      isIgnored: (signal) => this.#ignored.includes(signal),
      signalGroupOf: (pid, signal) => this.#note(`group ${signal} ${this.#running.get(pid)!}`),
      stopOf: (pid) => {
        const signal = this.#stops.get(pid);
        this.#stops.delete(pid);
        return signal;
      },
      stopSelf: (signal, { readSignals }) => {
        this.#stop(signal);
        return readSignals();
      },
      stopWith: (_, signal) => this.#stop(signal),
      waitForEvents: (interests, timeout) => this.#wait(interests, timeout),
    };
  }

  /** Like the kernel, the lowest number that is free. */
  #freeFd(): number {
    let number = FIRST_FD;
    while (this.#open.has(number)) number++;
    return number;
  }

  #openFd(number: number, pid?: number): Fd {
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
    while (this.#events[0]?.[0] === next) ready.add(this.#take(this.#events.shift()![1]));
    return interests.filter(({ fd }) => ready.has(fd));
  }

  /** Has an event happen, and returns the descriptor that it is seen by. */
  #take(event: PodEvent): number {
    if ("first" in event) {
      this.#hasFirstEnded = true;
      return this.#send(SIGCHLD, true);
    }
    if ("ended" in event) return this.#end(event.ended, event.end);
    if ("signal" in event) return this.#send(event.signal, event.isKernels, event.value, event.pid);
    if ("stopped" in event) {
      this.#stops.set(this.#pidOf(event.stopped), event.by);
      return this.#send(SIGCHLD);
    }
    if ("stranger" in event) {
      this.#strangers.add(event.stranger);
      return this.#send(SIGCHLD, true);
    }
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

  #stop(signal: number): void {
    this.#note(`stop by ${signal}`);
    this.#signals.push(...this.#whileStopped);
  }

  #send(number: number, isKernels = false, value = 0, pid = 0): number {
    this.#signals.push({ number, pid, isKernels, value });
    return SIGNALS;
  }

  #end(app: string, end: End): number {
    const pid = this.#pidOf(app);
    this.#running.delete(pid);
    this.#ends.set(pid, end);
    return [...this.#open].find(([, held]) => held === pid)![0];
  }

  #pidOf(app: string): number {
    const [pid] = [...this.#running].find(([, name]) => name === app) ?? [];
    assert(pid !== undefined, `${app} does not run`);
    return pid;
  }
}
