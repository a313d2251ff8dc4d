/**
 * The output of a pod's apps: it goes to the caller, and to a log of each app.
 *
 * From a pod with one app the caller gets every byte as it is; from one with several apps, whole
 * lines with the app's name. Nothing here blocks: a {@linkcode PodOutput} lists the events to wait
 * for, and is handed those that happen.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { monotonicMicroseconds } from "../linux/clock.ts";
import type { Fd } from "../linux/fd.ts";
import { setOwner } from "../linux/ownership.ts";
import { type PollEvents, POLLIN } from "../linux/poll.ts";
import { statFd } from "../linux/stat.ts";
import { bytesAvailable, makeOutputPipe, readAvailable } from "../linux/stream.ts";
import type { LogPlan } from "../plan/log.ts";
import type { OutputStream } from "../plan/stdio.ts";
import { printable } from "../stage1/log.ts";
import type { Journal } from "./journal.ts";
import { linePrefix, LinePrefixer } from "./line_prefixer.ts";
import type { LogFeed } from "./log_feed.ts";
import { OutputMux, type OutputQueue, READ_SIZE } from "./output_mux.ts";
import { PodLogs, type PodLogsOptions } from "./pod_logs.ts";
import { SyslogReader } from "./syslog_reader.ts";

/** What {@linkcode PodOutput} needs. */
export interface PodOutputOptions extends PodLogsOptions {
  /** Whether each line begins with the name of its app. */
  severalApps: boolean;
  /** The number of the caller's descriptors. */
  stdout: number;
  stderr: number;
}

/** What is read of an app besides its streams, and how it is logged. */
export interface AppOutput {
  /** How it is logged; undefined if it is not. */
  log: LogPlan | undefined;
  /** Its /dev/log, if it has one. */
  syslog?: Fd | undefined;
}

/** One output stream of an app: where it comes from, and where it goes. */
interface Source {
  app: string;
  pipe: Fd;
  /** How many bytes are left to read; `Infinity` while the pod lives. */
  left: number;
  feeds: readonly LogFeed[];
  /** The most bytes that are read at once. */
  readSize: number;
  /** `undefined` when bytes are passed on as they are. */
  prefixer: LinePrefixer | undefined;
  queue: OutputQueue;
  mux: OutputMux;
}

/** The user who owns the streams of an app, as ids of the host. */
export interface StreamOwner {
  uid: number;
  gid: number;
}

/** The output of all apps of a pod. */
export class PodOutput implements Disposable {
  readonly #severalApps: boolean;
  readonly #muxes: Record<OutputStream, OutputMux>;
  /** The lines of `run` itself. */
  readonly #messages: OutputQueue;
  readonly #logs: PodLogs;
  readonly #pids = new Map<string, number>();
  readonly #sources = new Set<Source>();
  /** The /dev/log of each app that has one, by the app's name. */
  readonly #syslogs = new Map<string, SyslogReader>();

  /**
   * Makes the logs' directory. When that fails, it warns and does without logs.
   *
   * @throws {SyscallError} when the caller's descriptors are not open.
   */
  constructor(options: PodOutputOptions) {
    const { severalApps, stdout, stderr } = options;
    this.#severalApps = severalApps;
    const say = (text: string) => this.say(text);
    // What the caller's disk has no room for is in the logs.
    const mux = new OutputMux(stdout, say, "skip");
    // Lines for one file stay whole only if a single mux writes them.
    const isSame = statFd(stdout).identity === statFd(stderr).identity;
    this.#muxes = { stdout: mux, stderr: isSame ? mux : new OutputMux(stderr, say, "skip") };
    this.#messages = this.#muxes.stderr.addQueue();
    this.#logs = new PodLogs(options, say);
  }

  /**
   * Adds an app, before its streams are opened.
   *
   * @throws {Error} when it is to be logged to a journal, and the host has none.
   */
  addApp(app: string, { log, syslog }: AppOutput): void {
    if (log) this.#logs.addApp(app, log);
    if (syslog === undefined) return;
    const warn = (text: string) => this.say(`app ${app}: ${text}`);
    this.#syslogs.set(app, new SyslogReader(syslog, this.#logs.syslogFeedOf(app), warn));
  }

  /**
   * Removes an app of which no process is left. What it has written goes to its log, and to the
   * caller unless its reader has stalled.
   *
   * @throws {SyscallError} when a pipe cannot be read.
   */
  removeApp(app: string): void {
    for (const source of this.#sources) if (source.app === app) this.#drain(source);
    this.#syslogs.get(app)?.end();
    this.#syslogs.delete(app);
    this.#logs.removeApp(app);
    this.#pids.delete(app);
    for (const target of this.#allTargets()) target.flush();
  }

  /** Writes a line of `run` itself to the caller's standard error. */
  say(text: string): void {
    this.writeLine(`run: ${printable(text)}`);
  }

  /**
   * Writes a line to the caller's standard error, without waiting for its reader. While that reader
   * has stalled, no more is kept for it than of an app's output, and further lines are lost.
   */
  writeLine(line: string): void {
    if (this.#messages.hasRoom) this.#messages.put(new TextEncoder().encode(`${line}\n`));
    this.#muxes.stderr.flush();
  }

  /**
   * Makes a pipe for an app's standard output or error.
   *
   * @param owner The user who may open the pipe again by /dev/stdout or /dev/stderr; undefined if
   *   whoever starts the process gives it to that user.
   * @returns The pipe's write end, for the app's process. Close it here once that process has it:
   * else the pipe never comes to its end.
   * @throws {SyscallError} when no pipe can be made.
   */
  openStream(app: string, stream: OutputStream, owner: StreamOwner | undefined): Fd {
    const { readEnd, writeEnd } = makeOutputPipe();
    if (owner) setOwner(writeEnd, owner.uid, owner.gid);
    const mux = this.#muxes[stream];
    const feeds = this.#logs.feedsOf(app, stream);
    this.#sources.add({
      app,
      pipe: readEnd,
      left: Infinity,
      feeds,
      readSize: Math.min(READ_SIZE, ...feeds.map(({ readSize }) => readSize)),
      prefixer: this.#severalApps ? new LinePrefixer() : undefined,
      queue: mux.addQueue(),
      mux,
    });
    return writeEnd;
  }

  /** Notes the pid of an app's process, for the prefix of its lines. */
  appStarted(app: string, pid: number): void {
    this.#pids.set(app, pid);
  }

  /** Lists the events to wait for. While the caller reads slowly, full queues get no more. */
  interests(): PollEvents[] {
    const readable = [...this.#sources].filter(hasRoom)
      .map(({ pipe }) => ({ fd: pipe.number, events: POLLIN }));
    const others = [...this.#syslogs.values(), ...this.#allTargets()];
    return [...readable, ...others.flatMap((it) => it.interests())];
  }

  /**
   * Passes on what has arrived.
   *
   * @param ready The events that have happened; those of other descriptors are skipped.
   * @throws {SyscallError} when a pipe cannot be read.
   */
  onReady(ready: readonly PollEvents[]): void {
    const fds = new Set(ready.map(({ fd }) => fd));
    for (const source of this.#sources) if (fds.has(source.pipe.number)) this.#readFrom(source);
    for (const syslog of this.#syslogs.values()) if (fds.has(syslog.fd)) syslog.readSome();
    for (const target of this.#allTargets()) target.flush();
  }

  /**
   * Notes that no process of the pod is left: what is in the pipes now is the rest. A pipe that a
   * process outside of the pod holds open would not come to its end by itself.
   *
   * @throws {SyscallError} when a pipe cannot be asked how much is in it.
   */
  podEnded(): void {
    for (const source of this.#sources) {
      source.left = bytesAvailable(source.pipe);
      if (source.left === 0) this.#end(source);
    }
  }

  /**
   * Whether every stream has come to its end and has been passed on, and nothing is in /dev/log.
   *
   * @throws {SyscallError} when a socket cannot be asked how much is in it.
   */
  get isDone(): boolean {
    return this.#sources.size === 0 &&
      [...this.#syslogs.values()].every(({ isEmpty }) => isEmpty) &&
      !this.#allTargets().some(({ isWaiting }) => isWaiting);
  }

  [Symbol.dispose](): void {
    for (const { pipe } of this.#sources) pipe[Symbol.dispose]();
    for (const mux of this.#muxesOfCaller()) mux[Symbol.dispose]();
    this.#logs[Symbol.dispose]();
  }

  #muxesOfCaller(): OutputMux[] {
    return [...new Set(Object.values(this.#muxes))];
  }

  #allTargets(): (OutputMux | Journal)[] {
    const { journal } = this.#logs;
    return [...this.#muxesOfCaller(), ...(journal ? [journal] : [])];
  }

  #readFrom(source: Source): void {
    const bytes = readAvailable(source.pipe.number, Math.min(source.readSize, source.left));
    if (bytes === undefined) {
      // A process outside of the pod may hold the pipe, and have read what was left.
      if (source.left !== Infinity) this.#end(source);
      return;
    }
    source.left -= bytes.length;
    for (const feed of source.feeds) feed.write(bytes);
    this.#passOn(source, bytes);
    if (bytes.length === 0 || source.left === 0) this.#end(source);
  }

  /** Reads what is in a pipe, and no more, also where what takes it has no room. */
  #drain(source: Source): void {
    source.left = bytesAvailable(source.pipe);
    while (source.left > 0) {
      const bytes = readAvailable(source.pipe.number, Math.min(source.readSize, source.left));
      if (bytes === undefined || bytes.length === 0) break;
      source.left -= bytes.length;
      for (const feed of source.feeds) if (feed.hasRoom) feed.write(bytes);
      if (source.queue.hasRoom) this.#passOn(source, bytes);
    }
    this.#end(source);
  }

  #passOn(source: Source, bytes: Bytes): void {
    source.queue.put(source.prefixer?.push(bytes, this.#prefix(source)) ?? bytes);
  }

  #end(source: Source): void {
    for (const feed of source.feeds) feed.end();
    if (source.prefixer) source.queue.put(source.prefixer.end(this.#prefix(source)));
    source.mux.retire(source.queue);
    source.pipe[Symbol.dispose]();
    this.#sources.delete(source);
  }

  #prefix({ app }: Source): Bytes {
    const prefix = linePrefix(monotonicMicroseconds(), app, this.#pids.get(app));
    return new TextEncoder().encode(prefix);
  }
}

function hasRoom({ queue, feeds }: Source): boolean {
  return queue.hasRoom && feeds.every((feed) => feed.hasRoom);
}
