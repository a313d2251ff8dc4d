/**
 * How a message is written: a JSON object that names the descriptors which come with it.
 *
 * @module
 */

import type * as z from "zod/mini";
import { checkValue } from "../appc/parse.ts";
import type { Schema } from "../appc/schema.ts";
import type { Bytes } from "../linux/bytes.ts";
import type { Fd } from "../linux/fd.ts";
import { closeAll } from "../linux/message_socket.ts";
import { decodeText, encodeText } from "../linux/text.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { LONGEST_LINE } from "./messages.ts";

/** A descriptor to be sent, behind its name. Several may have one name. */
export type NamedFd = readonly [name: string, fd: Fd];

/** A message that has been checked, and the descriptors that came with it. */
export interface Received<T> {
  message: T;
  fds: ReceivedFds;
}

/** Descriptors that have been received. Those that nobody takes are closed at last. */
export class ReceivedFds implements Disposable {
  readonly #fds: NamedFd[];

  constructor(fds: readonly NamedFd[]) {
    this.#fds = [...fds];
  }

  /**
   * Takes the descriptor of a name. It belongs to the caller then.
   *
   * @throws {Error} when there is none.
   */
  take(name: string): Fd {
    const fd = this.takeIfThere(name);
    if (fd === undefined) throw new Error(`the message has no descriptor "${name}"`);
    return fd;
  }

  /** Takes the descriptor of a name, if there is one. */
  takeIfThere(name: string): Fd | undefined {
    const at = this.#fds.findIndex(([known]) => known === name);
    return at < 0 ? undefined : this.#fds.splice(at, 1)[0]![1];
  }

  /** Takes all descriptors of a name, in the order in which they came. */
  takeAll(name: string): Fd[] {
    const found: Fd[] = [];
    for (let fd = this.takeIfThere(name); fd; fd = this.takeIfThere(name)) found.push(fd);
    return found;
  }

  [Symbol.dispose](): void {
    closeAll(this.#fds.splice(0).map(([, fd]) => fd));
  }
}

/** Writes a message that names the descriptors which come with it. */
export function encodeMessage(message: object, names: readonly string[]): Bytes {
  return encodeText(JSON.stringify(names.length > 0 ? { ...message, fds: names } : message));
}

/** Returns the line that tells the other side of an error, as much of it as fits into a message. */
export function errorLine(error: unknown): string {
  return describeError(error).slice(0, LONGEST_LINE);
}

/**
 * Reads a message.
 *
 * @param fds The descriptors that came with it. They are closed when it is refused.
 * @param schema What it has to be.
 * @throws {Error} when it is not; one line.
 */
export function decodeMessage<S extends z.ZodMiniType>(
  bytes: Bytes,
  fds: readonly Fd[],
  schema: Schema<S>,
): Received<z.infer<S>> {
  try {
    const { names, body } = parse(bytes);
    if (names.length !== fds.length) {
      throw new Error(`message.fds: ${names.length} names for ${fds.length} descriptors`);
    }
    const message = checkValue(body, schema(), "message");
    return { message, fds: new ReceivedFds(fds.map((fd, i) => [names[i]!, fd])) };
  } catch (error) {
    closeAll(fds);
    throw error;
  }
}

function parse(bytes: Bytes): { names: string[]; body: unknown } {
  const value = parseObject(decodeText(bytes));
  const { fds = [], ...body } = value;
  if (Array.isArray(fds) && fds.every((name) => typeof name === "string")) {
    return { names: fds, body };
  }
  throw new Error("message.fds: not a list of names");
}

/** Bytes of names that are no UTF-8 are halves of pairs here, which JSON escapes. */
function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error("message: not JSON");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new Error("message: not an object");
}
