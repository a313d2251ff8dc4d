/**
 * An app to whose streams or terminal clients attach, for as long as the pod has it: through every
 * start of it.
 *
 * @module
 */

import type { Bytes } from "../linux/bytes.ts";
import { earliest, monotonicMilliseconds } from "../linux/clock.ts";
import type { Fd } from "../linux/fd.ts";
import type { PollEvents } from "../linux/poll.ts";
import { doNotWait, makeInputPipe, makeSocketPair } from "../linux/stream.ts";
import { type Pty, setWindowSize, type WindowSize } from "../linux/terminal.ts";
import { describeMissing, endpointsOf } from "../plan/endpoints.ts";
import type { StdioPlan } from "../plan/stdio.ts";
import type { Endpoint } from "../stage1/arguments.ts";
import { withContext } from "../stage1/context.ts";
import { AppInput } from "./app_input.ts";
import { ClientSocket, type SocketWays } from "./client_socket.ts";
import type { LogFeed } from "./log_feed.ts";

/** The streams that a client has a socket for: a terminal's two ways are one. */
const SOCKETS = ["stdin", "stdout", "stderr", "tty"] as const;

/** The name of a client's socket. */
export type SocketName = typeof SOCKETS[number];

/** How many milliseconds a client has to read the rest, when the app has ended. */
const REST_PATIENCE = 1000;

/** The size of a terminal. */
type Size = Pick<WindowSize, "columns" | "rows">;

/** What a client attaches to. */
export interface AttachRequest {
  endpoints: readonly Endpoint[];
  /** The size of the client's terminal, if it has one. */
  size?: Size | undefined;
}

/** Is told what becomes of a client's attachment. */
export interface AttachListener {
  /** Called when the client was too slow, and has lost some bytes of output. */
  lost(bytes: number): void;
  /** Called once, when the app has ended and its output has been passed on. */
  ended(): void;
}

/** A client that is attached, as the one who serves it sees it. */
export interface Attachment {
  /** The client's ends of its sockets. They are closed here when it has got them. */
  sockets: ReadonlyMap<SocketName, Fd>;
  resize(size: Size): void;
  /** Notes that the client's input ends behind what it has sent. */
  endInput(): void;
  /** Lets the client go. It does the app no harm. */
  detach(): void;
}

interface Client {
  sockets: ReadonlyMap<SocketName, ClientSocket>;
  listener: AttachListener;
  /** Until when the rest of the output is passed on, once the app has ended. */
  deadline?: number;
}

/** The app. */
export class AttachableApp implements Disposable {
  readonly #name: string;
  readonly #stdio: StdioPlan;
  readonly #clients = new Set<Client>();
  #input: AppInput | undefined;
  /** Of the app's terminal, while it has one. */
  #master: Fd | undefined;
  /** The terminal, if it is closed here. */
  #pty: Pty | undefined;
  #state: "new" | "prepared" | "running" | "ended" = "new";
  /** Counts the processes of the app. */
  #run = 0;

  constructor(name: string, stdio: StdioPlan) {
    this.#name = name;
    this.#stdio = stdio;
  }

  /**
   * Makes the pipe that a process of the app is to read from.
   *
   * @returns Its read end. Close it here once the process has it.
   * @throws {SyscallError} when no pipe can be made.
   */
  openInput(): Fd {
    const { readEnd, writeEnd } = makeInputPipe();
    this.#input = new AppInput(writeEnd, false);
    return readEnd;
  }

  /**
   * Notes which terminal a process of the app is to have.
   *
   * @param pty Its master does not wait.
   * @param isOwn Whether the pair is closed here when the app has ended. Until then the slave is
   * open, so that the terminal does not come to its end when the app closes it for a while.
   */
  setTerminal(pty: Pty, isOwn: boolean): void {
    this.#master = pty.master;
    if (isOwn) this.#pty = pty;
    if (endpointsOf(this.#stdio).includes("tty-in")) this.#input = new AppInput(pty.master, true);
  }

  /** Closes the streams of an earlier process, before those of the next are opened. */
  prepare(): void {
    this.#closeStreams();
    this.#state = "prepared";
  }

  /** Notes that the process has started for which streams were opened, if that is the app's own. */
  started(): void {
    if (this.#state === "prepared") this.#state = "running";
  }

  /** Notes that the app has ended, and all that it has written has been put into the feeds. */
  ended(): void {
    this.#closeStreams();
    if (this.#state !== "new") this.#state = "ended";
    this.#run++;
    for (const client of this.#clients) {
      client.deadline ??= monotonicMilliseconds() + REST_PATIENCE;
    }
    this.#letGo();
  }

  /**
   * Returns what takes the output of a stream for those who are attached to it, until the process
   * ends for which it was opened.
   */
  feedOf(name: SocketName): LogFeed {
    const run = this.#run;
    const sockets = () => run === this.#run ? this.#outputsTo(name) : [];
    return {
      get hasRoom() {
        return sockets().every((socket) => socket.hasRoom);
      },
      readSize: Infinity,
      write: (bytes: Bytes) => sockets().forEach((socket) => socket.put(bytes)),
      end: () => {},
    };
  }

  /**
   * Lists what can be attached to.
   *
   * @throws {Error} when that is nothing, or nothing any more, or the app does not run.
   */
  endpoints(): Endpoint[] {
    this.#checkRunning();
    const has = endpointsOf(this.#stdio).filter((it) => it !== "stdin" || !this.#input?.hasEnded);
    if (has.length === 0) throw this.#inputEnded();
    return has;
  }

  /**
   * Attaches a client.
   *
   * @throws {Error} when the app does not run, or has no such endpoints, or its input has ended, or
   * there is no descriptor left.
   */
  attach({ endpoints, size }: AttachRequest, listener: AttachListener): Attachment {
    this.#checkRunning();
    const has = endpointsOf(this.#stdio);
    const missing = endpoints.find((endpoint) => !has.includes(endpoint));
    if (missing !== undefined || endpoints.length === 0) {
      throw new Error(describeMissing(this.#name, this.#stdio, missing));
    }
    if (endpoints.includes("stdin") && this.#input?.hasEnded) throw this.#inputEnded();
    const { ends, sockets } = withContext(
      `app "${this.#name}": no streams can be made for one more client`,
      () => openSockets(endpoints, (bytes) => listener.lost(bytes)),
    );
    const client: Client = { sockets, listener };
    this.#clients.add(client);
    if (size) this.#resize(size);
    return {
      sockets: ends,
      resize: (size) => this.#resize(size),
      endInput: () => this.#endInput(client),
      detach: () => this.#detach(client),
    };
  }

  /** Lists the events to wait for. */
  interests(): PollEvents[] {
    return [
      ...this.#sockets().flatMap(([, socket]) => socket.interests(this.#hasInputRoom)),
      ...this.#input?.interests() ?? [],
    ];
  }

  /** Passes on what has arrived. */
  onReady(fds: ReadonlySet<number>): void {
    this.#input?.flush();
    for (const [, socket] of this.#sockets()) {
      // Behind the last byte, no event tells that the end is to be read.
      if (socket.isEnding) this.#readAll(socket);
      if (!socket.isAmong(fds)) continue;
      const read = this.#hasInputRoom ? socket.read() : undefined;
      if (read !== undefined) this.#takeInput(read);
      socket.flush();
    }
    this.#letGo();
  }

  /** Returns how many milliseconds there are until something is to be done without an event. */
  untilNext(): number | undefined {
    const now = monotonicMilliseconds();
    return earliest([
      ...this.#sockets().map(([, socket]) => socket.dueIn).filter((time) => time !== 0),
      ...[...this.#clients].map(({ deadline }) => deadline && Math.max(0, deadline - now)),
    ]);
  }

  /** Whether no client has yet to get the rest of the output of an app that has ended. */
  get isDone(): boolean {
    return [...this.#clients].every(({ deadline }) => deadline === undefined);
  }

  /** Lets all clients go, also those that have yet to get the rest of the output. */
  [Symbol.dispose](): void {
    this.#closeStreams();
    for (const client of this.#clients) client.deadline = 0;
    this.#letGo();
  }

  #checkRunning(): void {
    if (endpointsOf(this.#stdio).length === 0) {
      throw new Error(describeMissing(this.#name, this.#stdio, undefined));
    }
    if (this.#state === "running") return;
    const why = this.#state === "ended" ? "it has ended" : "it has yet to start";
    throw new Error(`app "${this.#name}" does not run: ${why}`);
  }

  #inputEnded(): Error {
    return new Error(`app "${this.#name}": its input has ended, by a client or by the app itself`);
  }

  #sockets(): (readonly [SocketName, ClientSocket])[] {
    return [...this.#clients].flatMap(({ sockets }) => [...sockets]);
  }

  #outputsTo(name: SocketName): ClientSocket[] {
    return [...this.#clients].filter(({ deadline }) => deadline === undefined)
      .map(({ sockets }) => sockets.get(name))
      .filter((socket) => socket?.isOutput) as ClientSocket[];
  }

  #resize({ rows, columns }: Size): void {
    if (this.#master === undefined) return;
    setWindowSize(this.#master.number, { rows, columns, width: 0, height: 0 });
  }

  #endInput({ sockets }: Client): void {
    for (const socket of sockets.values()) {
      socket.endInput();
      this.#readAll(socket);
    }
  }

  /** Reads what a client has sent, as far as the app takes it. */
  #readAll(socket: ClientSocket): void {
    while (this.#hasInputRoom) {
      const read = socket.read();
      if (read === undefined) return;
      this.#takeInput(read);
    }
  }

  #takeInput(read: Bytes | "end"): void {
    if (read === "end") this.#input?.end();
    else this.#input?.put(read);
  }

  /** What the app can no longer read is taken, and dropped. */
  get #hasInputRoom(): boolean {
    return this.#input?.hasRoom ?? true;
  }

  #detach(client: Client): void {
    if (!this.#clients.delete(client)) return;
    for (const socket of client.sockets.values()) {
      this.#readAll(socket);
      socket[Symbol.dispose]();
    }
  }

  /** Lets clients go that have got the rest of the output, or have had their time for it. */
  #letGo(): void {
    for (const client of this.#clients) {
      if (client.deadline === undefined) continue;
      const sockets = [...client.sockets.values()];
      const isLate = client.deadline <= monotonicMilliseconds();
      if (!isLate && sockets.some((it) => it.isWaiting)) continue;
      this.#clients.delete(client);
      for (const socket of sockets) {
        socket.giveUp();
        socket[Symbol.dispose]();
      }
      client.listener.ended();
    }
  }

  #closeStreams(): void {
    this.#input?.[Symbol.dispose]();
    this.#input = undefined;
    this.#master = undefined;
    this.#pty?.master[Symbol.dispose]();
    this.#pty?.slave[Symbol.dispose]();
    this.#pty = undefined;
  }
}

/**
 * Makes the sockets of a client.
 *
 * @returns The supervisor's ends, and the client's.
 * @throws {SyscallError} when there is no descriptor left: then none has been taken.
 */
function openSockets(endpoints: readonly Endpoint[], lost: (bytes: number) => void) {
  const ends = new Map<SocketName, Fd>();
  const sockets = new Map<SocketName, ClientSocket>();
  using undo = new DisposableStack();
  for (const name of SOCKETS) {
    const ways = waysOf(name, endpoints);
    if (!ways.isInput && !ways.isOutput) continue;
    const [own, clients] = makeSocketPair();
    for (const end of [own, clients]) doNotWait(undo.use(end));
    sockets.set(name, new ClientSocket(own, ways, monotonicMilliseconds, lost));
    ends.set(name, clients);
  }
  undo.move();
  return { ends, sockets };
}

function waysOf(name: SocketName, endpoints: readonly Endpoint[]): SocketWays {
  const has = (endpoint: Endpoint) => endpoints.includes(endpoint);
  if (name === "tty") return { isInput: has("tty-in"), isOutput: has("tty-out") };
  return { isInput: name === "stdin" && has(name), isOutput: name !== "stdin" && has(name) };
}
