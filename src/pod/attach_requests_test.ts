import { assertEquals, assertThrows } from "@std/assert";
import type { Connection } from "../control/connection.ts";
import { MOST_ATTACHED, type ServerMessage } from "../control/messages.ts";
import type { AttachListener } from "../stream/attachable_app.ts";
import { attachHandlers } from "./attach_requests.ts";

/** A connection that only keeps what it is told. */
class Told implements Connection {
  onEnd: (() => void) | undefined;
  readonly answers: ServerMessage[] = [];
  /** Whether the kernel lets anything be sent. */
  isOpen = true;

  send(message: ServerMessage): boolean {
    if (this.isOpen) this.answers.push(message);
    return this.isOpen;
  }

  reply(message: ServerMessage): boolean {
    this.answers.push(message);
    this.onEnd = undefined;
    return true;
  }

  fail(): void {}
  expect(): void {}
  listen(): void {}
}

/** Handlers for an app that lets everybody attach, and the listeners of those who have. */
function attachable() {
  const listeners: AttachListener[] = [];
  const detached: number[] = [];
  const handlers = attachHandlers({
    endpoints: () => ["stdin"],
    attach(_app, _request, listener) {
      const number = listeners.push(listener);
      const detach = () => void detached.push(number);
      return { sockets: new Map(), resize: () => {}, endInput: () => {}, detach };
    },
  });
  return { handlers, listeners, detached };
}

Deno.test("who is attached leaves room for those who change the pod", () => {
  const { handlers, listeners } = attachable();
  const attach = () => {
    const connection = new Told();
    handlers.attach({ do: "attach", app: "web", endpoints: ["stdin"] }, connection);
    return connection;
  };
  const refused = () => assertThrows(attach, Error, "48 clients are attached already");
  const [first] = Array.from({ length: MOST_ATTACHED }, attach);
  refused();
  const listing = new Told();
  handlers.list({ do: "list", app: "web" }, listing);
  assertEquals(listing.answers, [{ ok: { endpoints: ["stdin"] } }]);
  // One leaves, and the app of another one ends.
  first!.onEnd!();
  attach();
  refused();
  listeners[1]!.ended();
  attach();
  refused();
});

Deno.test("a client that cannot be given its streams is refused, and let go", () => {
  const { handlers, detached } = attachable();
  const connection = new Told();
  connection.isOpen = false;
  assertThrows(
    () => handlers.attach({ do: "attach", app: "web", endpoints: ["stdin"] }, connection),
    Error,
    "cannot be given its streams",
  );
  // So does a connection whose handler has thrown.
  connection.onEnd!();
  assertEquals(detached, [1]);
});
