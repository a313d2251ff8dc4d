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
  /** The read end of a pipe, or the master of a terminal. */
  fd: Fd;
  isTerminal: boolean;
  /** How many bytes are left to read; `Infinity` while the pod lives. */
  left: number;
  feeds: readonly LogFeed[];
  /** The most bytes that are read at once. */
  readSize: number;
}

/**
 * The most bytes that are read of a terminal whose app has ended. It holds fewer; others may have
 * it open as well.
 */
const TERMINAL_REST = 256 * 1024;

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
  /** The apps of which a process is being started, whose pid is not known yet. */
  readonly #starting = new Set<string>();
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
   * Adds an app, before its streams are opened. Its /dev/log belongs to this from now on.
   *
   * @throws {Error} when it is to be logged to a journal, and the host has none.
   */
  addApp(app: string, { log, syslog }: AppOutput): void {
    using undo = new DisposableStack();
    if (syslog) undo.use(syslog);
    if (log) this.#logs.addApp(app, log);
    undo.move();
    if (syslog === undefined) return;
    const warn = (text: string) => this.say(`app ${app}: ${text}`);
    this.#syslogs.set(app, new SyslogReader(syslog, this.#logs.syslogFeedOf(app), warn));
  }

  /**
   * Removes an app of which no process is left. What it has written goes to its log, and to the
   * caller unless its reader has stalled.
   *
   * @returns What only a process that ends may close, if there is such: {@linkcode SyslogReader}.
   * @throws {SyscallError} when a pipe cannot be read.
   */
  removeApp(app: string): Fd | undefined {
    for (const source of this.#sources) {
      if (source.app !== app) continue;
      this.#readRest(source, (feed) => feed.hasRoom);
      this.#end(source);
    }
    const left = this.#syslogs.get(app)?.end();
    this.#syslogs.delete(app);
    this.#logs.removeApp(app);
    this.#pids.delete(app);
    this.#starting.delete(app);
    for (const target of this.#allTargets()) target.flush();
    return left;
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
   * @param others What takes the output besides the app's log; the caller unless said.
   * @returns The pipe's write end, for the app's process. Close it here once that process has it:
   * else the pipe never comes to its end.
   * @throws {SyscallError} when no pipe can be made.
   */
  openStream(
    app: string,
    stream: OutputStream,
    owner: StreamOwner | undefined,
    others?: readonly LogFeed[],
  ): Fd {
    const { readEnd, writeEnd } = makeOutputPipe();
    if (owner) setOwner(writeEnd, owner.uid, owner.gid);
    this.#addSource(app, readEnd, false, [
      ...this.#logs.feedsOf(app, stream),
      ...others ?? [this.#callerFeed(app, stream)],
    ]);
    return writeEnd;
  }

  /**
   * Reads what an app's terminal shows, until {@linkcode appEnded}. It goes to the app's log.
   *
   * @param master It stays open.
   * @param others What takes it as well.
   */
  addTerminal(app: string, master: Fd, others: readonly LogFeed[]): void {
    this.#addSource(app, master, true, [...this.#logs.feedsOf(app, "stdout"), ...others]);
  }

  /**
   * Passes on what an app has written that has ended, at once. Its terminals are read no more.
   *
   * @throws {SyscallError} when a pipe or terminal cannot be read.
   */
  appEnded(app: string): void {
    for (const source of this.#sources) {
      if (source.app !== app) continue;
      this.#readRest(source);
      if (source.isTerminal) this.#end(source);
    }
  }

  /**
   * Notes that a process of an app is about to be started. What it writes is read when its pid is
   * known, for the prefix of its lines.
   */
  appStarting(app: string): void {
    this.#pids.delete(app);
    this.#starting.add(app);
  }

  /** Notes the pid of an app's process. */
  appStarted(app: string, pid: number): void {
    this.#pids.set(app, pid);
    this.#starting.delete(app);
  }

  /** Notes that no process of an app is being started any more. What is left to read is read. */
  appStartEnded(app: string): void {
    this.#starting.delete(app);
  }

  /** Lists the events to wait for. While the caller reads slowly, full queues get no more. */
  interests(): PollEvents[] {
    const readable = [...this.#sources]
      .filter((source) => hasRoom(source) && !this.#starting.has(source.app))
      .map(({ fd }) => ({ fd: fd.number, events: POLLIN }));
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
    for (const source of this.#sources) if (fds.has(source.fd.number)) this.#readFrom(source);
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
    this.#starting.clear();
    for (const source of this.#sources) {
      source.left = bytesLeft(source);
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
    for (const source of this.#sources) closeSource(source);
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

  #addSource(app: string, fd: Fd, isTerminal: boolean, feeds: readonly LogFeed[]): void {
    const readSize = Math.min(READ_SIZE, ...feeds.map((feed) => feed.readSize));
    this.#sources.add({ app, fd, isTerminal, left: Infinity, feeds, readSize });
  }

  #callerFeed(app: string, stream: OutputStream): LogFeed {
    const prefix = () => {
      const text = linePrefix(monotonicMicroseconds(), app, this.#pids.get(app));
      return new TextEncoder().encode(text);
    };
    return new CallerFeed(this.#muxes[stream], this.#severalApps ? prefix : undefined);
  }

  #readFrom(source: Source): void {
    const bytes = readAvailable(source.fd.number, Math.min(source.readSize, source.left));
    if (bytes === undefined) {
      // A process outside of the pod may hold the pipe, and have read what was left.
      if (source.left !== Infinity) this.#end(source);
      return;
    }
    source.left -= bytes.length;
    for (const feed of source.feeds) feed.write(bytes);
    if (bytes.length === 0 || source.left === 0) this.#end(source);
  }

  /** Reads what there is by now, and no more, also where what takes it has no room. */
  #readRest(source: Source, takes: (feed: LogFeed) => boolean = () => true): void {
    let left = bytesLeft(source);
    while (left > 0) {
      const bytes = readAvailable(source.fd.number, Math.min(source.readSize, left));
      if (bytes === undefined || bytes.length === 0) return;
      left -= bytes.length;
      for (const feed of source.feeds) if (takes(feed)) feed.write(bytes);
    }
  }

  #end(source: Source): void {
    for (const feed of source.feeds) feed.end();
    closeSource(source);
    this.#sources.delete(source);
  }
}

/** Passes on output to the caller: as it is, or line by line behind a prefix. */
class CallerFeed implements LogFeed {
  readonly readSize = Infinity;
  readonly #mux: OutputMux;
  readonly #queue: OutputQueue;
  readonly #prefixer = new LinePrefixer();
  readonly #prefix: (() => Bytes) | undefined;

  /** @param prefix Returns the prefix of the lines that come; undefined if they have none. */
  constructor(mux: OutputMux, prefix: (() => Bytes) | undefined) {
    this.#mux = mux;
    this.#queue = mux.addQueue();
    this.#prefix = prefix;
  }

  get hasRoom(): boolean {
    return this.#queue.hasRoom;
  }

  write(bytes: Bytes): void {
    this.#queue.put(this.#prefix ? this.#prefixer.push(bytes, this.#prefix()) : bytes);
  }

  end(): void {
    if (this.#prefix) this.#queue.put(this.#prefixer.end(this.#prefix()));
    this.#mux.retire(this.#queue);
  }
}

function closeSource({ fd, isTerminal }: Source): void {
  if (!isTerminal) fd[Symbol.dispose]();
}

/** Counts the bytes that are left to read when nobody is to write any more. */
function bytesLeft({ fd, isTerminal }: Source): number {
  return isTerminal ? TERMINAL_REST : bytesAvailable(fd);
}

function hasRoom({ feeds }: Source): boolean {
  return feeds.every((feed) => feed.hasRoom);
}
