/**
 * The socket in the pod directory by which other entrypoints ask the supervisor. The supervisor's
 * loop asks here what to wait for, and hands over what has come. Only root of the host reaches the
 * socket.
 *
 * @module
 */

import { earliest, monotonicMilliseconds } from "../linux/clock.ts";
import { removeFile } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { acceptConnection, listenForConnections, peerUser } from "../linux/message_socket.ts";
import { type PollEvents, POLLIN } from "../linux/poll.ts";
import { APP_ADD, APP_START } from "../stage1/arguments.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { type Connection, ServedConnection } from "./connection.ts";
import { MOST_CONNECTIONS, Request, type RequestTo } from "./messages.ts";

/** Only root may connect. */
const MODE = 0o600;

/** How many clients are let in at once, so that a flood of them does not hold the pod up. */
const BATCH = 16;

/** How many milliseconds no client is let in when there is no descriptor left. */
const PAUSE = 1_000;

/**
 * What is done for each request. A handler may answer at once, or keep the connection and answer
 * later. An error that it throws becomes the answer.
 */
export type Handlers = {
  [Do in Request["do"]]: (request: RequestTo<Do>, connection: Connection) => void;
};

/**
 * Makes the socket in the pod directory, in which this process works. It has to be made before
 * `run` confines itself.
 *
 * @throws {SyscallError} when it cannot be made.
 */
export function listenForClients(): Fd {
  // A `run` before this one may have failed.
  removeFile(POD_PATHS.control);
  return listenForConnections(POD_PATHS.control, MODE, MOST_CONNECTIONS);
}

/** The requests whose failure rkt tells nobody of, and how the line begins that tells it. */
const TOLD: Partial<Record<Request["do"], string>> = { add: APP_ADD.name, start: APP_START.name };

/** The clients of a pod's supervisor. Nothing that one of them does is an error of the pod. */
export class ControlServer {
  readonly #listener: Fd;
  readonly #handlers: Handlers;
  readonly #debug: Debug;
  readonly #tell: (line: string) => void;
  readonly #now: () => number;
  /** By the number of the descriptor. */
  readonly #connections = new Map<number, ServedConnection>();
  /** Until when no client is let in, in milliseconds on the clock. */
  #pausedUntil: number | undefined;

  /**
   * @param listener The socket of {@linkcode listenForClients}.
   * @param tell Writes a line of the supervisor's, which says why an app was not added or started:
   * what the entrypoint says, rkt shows only with `--debug`.
   * @param now Tells the time in milliseconds.
   */
  constructor(
    listener: Fd,
    handlers: Handlers,
    debug: Debug,
    tell: (line: string) => void,
    now: () => number = monotonicMilliseconds,
  ) {
    this.#listener = listener;
    this.#handlers = handlers;
    this.#debug = debug;
    this.#tell = tell;
    this.#now = now;
  }

  /** Lists what to wait for. */
  interests(): PollEvents[] {
    this.#forgetEnded();
    const fds = [...this.#connections.keys()];
    if (this.#pausedUntil === undefined) fds.push(this.#listener.number);
    return fds.map((fd) => ({ fd, events: POLLIN }));
  }

  /** Returns in how many milliseconds `onReady` is to be called, whatever has come. */
  untilNext(): number | undefined {
    const times = [...this.#connections.values()].map(({ deadline }) => deadline);
    const next = earliest([...times, this.#pausedUntil]);
    return next === undefined ? undefined : Math.max(0, next - this.#now());
  }

  /** Takes what has come, and ends the connections of clients that are late. */
  onReady(ready: readonly PollEvents[]): void {
    const fds = new Set(ready.map(({ fd }) => fd));
    for (const [fd, connection] of [...this.#connections]) {
      if (fds.has(fd)) this.#guard(() => connection.onReadable());
      this.#guard(() => connection.checkTime());
    }
    this.#forgetEnded();
    if (this.#pausedUntil !== undefined && this.#now() >= this.#pausedUntil) {
      this.#pausedUntil = undefined;
    }
    if (fds.has(this.#listener.number)) this.#guard(() => this.#accept());
  }

  /** The number of a descriptor that is closed may come to be another one's. */
  #forgetEnded(): void {
    for (const [fd, { isOver }] of this.#connections) if (isOver) this.#connections.delete(fd);
  }

  #accept(): void {
    for (let count = 0; count < BATCH; count++) {
      const socket = this.#acceptOne();
      if (socket === undefined) return;
      const connection = new ServedConnection(socket, this.#now, this.#debug);
      const refusal = this.#refusal(socket);
      if (refusal !== undefined) connection.fail(refusal);
      else this.#welcome(connection);
    }
  }

  #acceptOne(): Fd | undefined {
    try {
      return acceptConnection(this.#listener);
    } catch (error) {
      if (!failedWith(error, "EMFILE", "ENFILE", "ENOMEM")) throw error;
      this.#debug(`no client is let in for ${PAUSE} ms: ${describeError(error)}`);
      this.#pausedUntil = this.#now() + PAUSE;
      return undefined;
    }
  }

  #refusal(socket: Fd): string | undefined {
    if (peerUser(socket) !== 0) return "only root may ask for anything";
    if (this.#connections.size < MOST_CONNECTIONS) return undefined;
    return `${MOST_CONNECTIONS} requests are served already`;
  }

  #welcome(connection: ServedConnection): void {
    this.#connections.set(connection.fd, connection);
    connection.expect(Request, (request) => {
      this.#debug(`asked to ${request.do} ${request.app}`);
      const name = TOLD[request.do];
      if (name) connection.onFailure = (line) => this.#tell(`${name}: ${line}`);
      const handle = this.#handlers[request.do] as (
        request: Request,
        connection: Connection,
      ) => void;
      handle(request, connection);
    });
  }

  /** An error here is the client's, or comes of undoing what was done for it: the pod goes on. */
  #guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#debug(`a request: ${describeError(error)}`);
    }
  }
}
