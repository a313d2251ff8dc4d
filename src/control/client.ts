/**
 * An entrypoint's connection to the supervisor of the pod in whose directory it works. It waits for
 * answers.
 *
 * @module
 */

import * as z from "zod/mini";
import { type Checked, type Schema, schema } from "../appc/schema.ts";
import { monotonicMilliseconds } from "../linux/clock.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import {
  connectToListener,
  hasTakenAll,
  peerProcess,
  receiveMessage,
  sendMessage,
  type SocketMessage,
} from "../linux/message_socket.ts";
import { POLLIN, POLLOUT, waitForEvents } from "../linux/poll.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import {
  decodeMessage,
  encodeMessage,
  errorLine,
  type NamedFd,
  type Received,
} from "./envelope.ts";
import { type ClientMessage, Done, Failure, MESSAGE_LIMITS } from "./messages.ts";

/** How many milliseconds the supervisor may take to let a client in, or to take a message. */
const PATIENCE = 30_000;

const NO_ANSWER = "the pod's supervisor does not answer";

/** The error that the supervisor has answered with, in its words. */
export class RequestError extends Error {
  override readonly name = "RequestError";
}

/** A connection: one request. */
export class ControlClient implements Disposable {
  readonly #socket: Fd;
  readonly #patience: number;
  /** Until when the supervisor has to have taken what it was sent, on the monotonic clock. */
  #takenBy = 0;

  /**
   * Connects to the supervisor.
   *
   * @param patience How many milliseconds the supervisor may take to let a client in, or to take a
   * message. An answer may take longer.
   * @throws {Error} when there is none, or it lets nobody in.
   */
  constructor(patience = PATIENCE) {
    this.#patience = patience;
    this.#socket = connect(patience);
  }

  /** The descriptor that is readable when something has come. */
  get fd(): number {
    return this.#socket.number;
  }

  /**
   * Returns the id of the supervisor's process.
   *
   * @throws {SyscallError} when the kernel refuses to tell.
   */
  supervisorPid(): number {
    return peerProcess(this.#socket);
  }

  /**
   * Sends a message, and waits for the answer.
   *
   * @param schema What the answer has to be.
   * @param fds Descriptors that the supervisor gets. They stay the caller's.
   * @param patience The most milliseconds to wait. Without it, there is no limit once the
   * supervisor has taken the message: the kernel tells when it ends.
   * @throws {RequestError} when the supervisor answers with an error.
   * @throws {Error} when it has gone, is late, or answers something else.
   */
  ask<S extends z.ZodMiniType>(
    message: ClientMessage,
    schema: Schema<S>,
    fds: readonly NamedFd[] = [],
    patience?: number,
  ): Received<z.infer<S>> {
    this.send(message, fds);
    return this.receive(schema, patience);
  }

  /**
   * Sends a message, and waits until there is room for it.
   *
   * @param fds Descriptors that the supervisor gets. They stay the caller's.
   * @throws {Error} when it takes none.
   */
  send(message: ClientMessage, fds: readonly NamedFd[] = []): void {
    const bytes = encodeMessage(message, fds.map(([name]) => name));
    const end = monotonicMilliseconds() + this.#patience;
    this.#takenBy = end;
    try {
      while (!sendMessage(this.#socket, bytes, fds.map(([, fd]) => fd))) {
        this.#waitUntil(end, POLLOUT);
      }
    } catch (error) {
      // The supervisor has closed the connection. If it has answered before, `receive` tells.
      if (!failedWith(error, "EPIPE", "ECONNRESET")) throw error;
    }
  }

  /**
   * Tells the supervisor why what it expects does not come, unless it has said so itself. Returns
   * when it has taken note: whoever learns of the failure finds the app as it is then.
   */
  sendFailure(error: unknown): void {
    if (error instanceof RequestError) return;
    try {
      this.ask({ failed: errorLine(error) }, Done, [], this.#patience);
    } catch {
      // The answer is the failure once more. A supervisor that gives none sees this process end.
    }
  }

  /**
   * Waits for the supervisor's next message.
   *
   * @param schema What it has to be.
   * @param patience The most milliseconds to wait. Without it, there is no limit once the
   * supervisor has taken all that it was sent.
   * @throws {RequestError} when it is an error.
   * @throws {Error} when the supervisor has gone, is late, or says something else.
   */
  receive<S extends z.ZodMiniType>(schema: Schema<S>, patience = Infinity): Received<z.infer<S>> {
    const end = monotonicMilliseconds() + patience;
    for (;;) {
      const received = this.receiveIfThere(schema);
      if (received !== undefined) return received;
      // A supervisor that is stopped takes nothing; one that works may take its time to answer.
      const isTaken = monotonicMilliseconds() >= this.#takenBy && hasTakenAll(this.#socket);
      this.#waitUntil(isTaken ? end : Math.min(end, this.#takenBy), POLLIN);
    }
  }

  /**
   * Takes the supervisor's next message, if one has come.
   *
   * @param schema What it has to be.
   * @throws {RequestError} when it is an error.
   * @throws {Error} when the supervisor has gone, or says something else.
   */
  receiveIfThere<S extends z.ZodMiniType>(schema: Schema<S>): Received<z.infer<S>> | undefined {
    const received = receiveMessage(this.#socket, MESSAGE_LIMITS);
    if (received === undefined) return undefined;
    if (received === "end") throw new Error("the pod has ended");
    if (received === "too much") throw new Error("an answer with more than can be taken");
    return decode(received, schema);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  #waitUntil(end: number, events: number): void {
    const rest = end - monotonicMilliseconds();
    if (rest <= 0) throw new Error(NO_ANSWER);
    waitForEvents([{ fd: this.fd, events }], rest === Infinity ? undefined : rest);
  }
}

/** A failure may come in the place of any answer. */
function decode<S extends z.ZodMiniType>(
  { bytes, fds }: SocketMessage,
  expected: Schema<S>,
): Received<z.infer<S>> {
  const answer = schema(() => z.union([Failure(), expected()]));
  const received = decodeMessage(bytes, fds, answer);
  const message = received.message as Checked<typeof Failure> | z.infer<S>;
  if (!isFailure(message)) return { message, fds: received.fds };
  received.fds[Symbol.dispose]();
  throw new RequestError(message.error);
}

function isFailure(message: unknown): message is Failure {
  return typeof message === "object" && message !== null && "error" in message;
}

function connect(patience: number): Fd {
  try {
    return connectToListener(POD_PATHS.control, patience);
  } catch (error) {
    if (failedWith(error, "ENOENT")) {
      throw new Error("nobody can be asked: run has not begun, or has become the pod's only app");
    }
    if (failedWith(error, "ECONNREFUSED")) throw new Error("the pod has ended");
    if (failedWith(error, "EAGAIN")) throw new Error(NO_ANSWER);
    throw error;
  }
}
