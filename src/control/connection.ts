/**
 * A client's connection, as the supervisor has it. Nothing here waits for the client.
 *
 * @module
 */

import type * as z from "zod/mini";
import type { Schema } from "../appc/schema.ts";
import type { Fd } from "../linux/fd.ts";
import {
  closeAll,
  closeConnection,
  receiveMessage,
  sendMessage,
  type SocketMessage,
} from "../linux/message_socket.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";
import {
  decodeMessage,
  encodeMessage,
  errorLine,
  type NamedFd,
  type ReceivedFds,
} from "./envelope.ts";
import {
  CLIENT_PATIENCE,
  LONGEST_MESSAGE,
  MESSAGE_LIMITS,
  MOST_FDS,
  type ServerMessage,
} from "./messages.ts";

/** Takes a message, and of the descriptors that came with it those it wants: others are closed. */
type Take<S extends z.ZodMiniType> = (message: z.infer<S>, fds: ReceivedFds) => void;

/** A client's connection, as the handler of its request has it. */
export interface Connection {
  /**
   * Called once, when the connection ends and neither `reply` nor `fail` has ended it: the client
   * has gone, or said what it may not say, or is late, or the handler has thrown. What was begun
   * for it is to be undone.
   */
  onEnd: (() => void) | undefined;

  /**
   * Sends a message, of a request that goes on.
   *
   * @param fds Descriptors that the client gets. They stay the caller's.
   * @returns Whether it was sent. If not, the client has not taken earlier ones, or has gone.
   */
  send(message: ServerMessage, fds?: readonly NamedFd[]): boolean;

  /**
   * Sends the last message, by default `ok`, and ends the connection. A message whose descriptors
   * the kernel refuses is sent without them.
   *
   * @returns Whether it was sent as a whole.
   */
  reply(message?: ServerMessage, fds?: readonly NamedFd[]): boolean;

  /**
   * Tells the client why nothing came of its request, and ends the connection.
   *
   * @param why A line, or an error that becomes one.
   */
  fail(why: unknown): void;

  /**
   * Waits for the client's next message, for {@linkcode CLIENT_PATIENCE} at most. A message that
   * is not expected ends the connection.
   */
  expect<S extends z.ZodMiniType>(schema: Schema<S>, take: Take<S>): void;

  /** Takes any number of messages, whenever the client sends them. */
  listen<S extends z.ZodMiniType>(schema: Schema<S>, take: Take<S>): void;
}

/** What is said of a message that cannot be taken. */
const TOO_MUCH =
  `message: longer than ${LONGEST_MESSAGE} bytes, or more than ${MOST_FDS} descriptors`;

/** A message that a connection waits for. */
interface Expectation {
  schema: Schema;
  take: (message: never, fds: ReceivedFds) => void;
  /** Whether it is over with the next message. */
  isOnce: boolean;
}

/** A connection, as the server has it. */
export class ServedConnection implements Connection {
  onEnd: (() => void) | undefined;
  readonly #socket: Fd;
  readonly #now: () => number;
  readonly #debug: Debug;
  /** Called with why nothing came of the request. */
  onFailure: ((line: string) => void) | undefined;
  #expected: Expectation | undefined;
  #deadline: number | undefined;
  #isOver = false;

  /** @param now Tells the time in milliseconds. */
  constructor(socket: Fd, now: () => number, debug: Debug) {
    this.#socket = socket;
    this.#now = now;
    this.#debug = debug;
  }

  /** The number of the descriptor to wait for. */
  get fd(): number {
    return this.#socket.number;
  }

  /** Whether it has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** When the client's next message has to be there; undefined where none is due. */
  get deadline(): number | undefined {
    return this.#deadline;
  }

  send(message: ServerMessage, fds: readonly NamedFd[] = []): boolean {
    if (this.#isOver) return false;
    const bytes = encodeMessage(message, fds.map(([name]) => name));
    try {
      return sendMessage(this.#socket, bytes, fds.map(([, fd]) => fd));
    } catch (error) {
      // That the client has gone is also told by what is received: nothing.
      this.#debug(`a client cannot be told: ${describeError(error)}`);
      return false;
    }
  }

  reply(message: ServerMessage = { ok: {} }, fds: readonly NamedFd[] = []): boolean {
    const isSent = this.send(message, fds);
    if (!isSent && fds.length > 0) this.send(message);
    this.#close();
    return isSent;
  }

  fail(why: unknown): void {
    const error = errorLine(why);
    if (!this.#isOver) this.onFailure?.(error);
    this.reply({ error });
  }

  expect<S extends z.ZodMiniType>(schema: Schema<S>, take: Take<S>): void {
    this.#expected = { schema, take, isOnce: true };
    this.#deadline = this.#now() + CLIENT_PATIENCE;
  }

  listen<S extends z.ZodMiniType>(schema: Schema<S>, take: Take<S>): void {
    this.#expected = { schema, take, isOnce: false };
    this.#deadline = undefined;
  }

  /** Takes the message that has come, or the end. */
  onReadable(): void {
    if (this.#isOver) return;
    const received = receiveMessage(this.#socket, MESSAGE_LIMITS);
    if (received === "end") return this.#abort();
    if (received === "too much") return this.#abort(TOO_MUCH);
    if (received !== undefined) this.#take(received);
  }

  /** Ends the connection of a client that is late. */
  checkTime(): void {
    if (this.#deadline === undefined || this.#now() < this.#deadline) return;
    this.#abort(`no message came for ${CLIENT_PATIENCE / 1000} seconds`);
  }

  #take({ bytes, fds }: SocketMessage): void {
    const expected = this.#expected;
    if (expected === undefined) {
      closeAll(fds);
      return this.#abort("message: nothing is expected");
    }
    if (expected.isOnce) this.#expected = this.#deadline = undefined;
    try {
      const received = decodeMessage(bytes, fds, expected.schema);
      using descriptors = received.fds;
      expected.take(received.message as never, descriptors);
    } catch (error) {
      this.#abort(error);
    }
  }

  /** Ends the connection, and has undone what was begun for it. */
  #abort(why?: unknown): void {
    const { onEnd } = this;
    if (why !== undefined) this.#debug(`a client is refused: ${describeError(why)}`);
    if (why === undefined) this.#close();
    else this.fail(why);
    onEnd?.();
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#expected = this.#deadline = this.onEnd = undefined;
    closeConnection(this.#socket);
  }
}
