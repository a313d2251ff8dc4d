/**
 * A client of the supervisor, without a socket.
 *
 * @module
 */

import type * as z from "zod/mini";
import { checkValue } from "../appc/parse.ts";
import type { Schema } from "../appc/schema.ts";
import type { Connection } from "../control/connection.ts";
import { type NamedFd, ReceivedFds } from "../control/envelope.ts";
import type { ServerMessage } from "../control/messages.ts";
import { describeError } from "../stage1/entrypoint.ts";

/** The client, and its connection as the supervisor has it. */
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
