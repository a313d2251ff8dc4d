/**
 * What the supervisor answers to `attach`: what of an app there is to attach to, and the sockets of
 * a client that is attached.
 *
 * @module
 */

import type { Connection } from "../control/connection.ts";
import { AttachedInput, type RequestTo } from "../control/messages.ts";
import type { Handlers } from "../control/server.ts";
import type { Streams } from "../stream/streams.ts";

/** What the handlers need of the apps' streams. */
type AttachedStreams = Pick<Streams, "attach" | "endpoints">;

/** Returns the handlers of the requests that `attach` makes. */
export function attachHandlers(streams: AttachedStreams): Pick<Handlers, "attach" | "list"> {
  return {
    list: ({ app }, connection) => connection.reply({ ok: { endpoints: streams.endpoints(app) } }),
    attach: (request, connection) => attach(streams, request, connection),
  };
}

function attach(
  streams: AttachedStreams,
  { app, ...request }: RequestTo<"attach">,
  connection: Connection,
): void {
  const attachment = streams.attach(app, request, {
    lost: (bytes) => void connection.send({ gap: bytes }),
    ended: () => connection.reply({ ended: {} }),
  });
  connection.onEnd = () => attachment.detach();
  connection.send({ ok: {} }, [...attachment.sockets]);
  for (const socket of attachment.sockets.values()) socket[Symbol.dispose]();
  connection.listen(AttachedInput, (message) => {
    if ("resize" in message) attachment.resize(message.resize);
    else attachment.endInput();
  });
}
