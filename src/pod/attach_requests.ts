/**
 * What the supervisor answers to `attach`: what of an app there is to attach to, and the sockets of
 * a client that is attached.
 *
 * @module
 */

import type { Connection } from "../control/connection.ts";
import { AttachedInput, MOST_ATTACHED, type RequestTo } from "../control/messages.ts";
import type { Handlers } from "../control/server.ts";
import type { Streams } from "../stream/streams.ts";

/** What the handlers need of the apps' streams. */
type AttachableStreams = Pick<Streams, "attach" | "endpoints">;

/** Returns the handlers of the requests that `attach` makes. */
export function attachHandlers(streams: AttachableStreams): Pick<Handlers, "attach" | "list"> {
  const attached = new Set<Connection>();
  return {
    list: ({ app }, connection) => connection.reply({ ok: { endpoints: streams.endpoints(app) } }),
    attach(request, connection) {
      if (attached.size >= MOST_ATTACHED) {
        throw new Error(`${MOST_ATTACHED} clients are attached already`);
      }
      attach(streams, request, connection, () => attached.delete(connection));
      attached.add(connection);
    },
  };
}

/** @param gone Called when the client is attached no more. */
function attach(
  streams: AttachableStreams,
  { app, ...request }: RequestTo<"attach">,
  connection: Connection,
  gone: () => void,
): void {
  const attachment = streams.attach(app, request, {
    lost: (bytes) => void connection.send({ gap: bytes }),
    ended() {
      gone();
      connection.reply({ ended: {} });
    },
  });
  connection.onEnd = () => {
    gone();
    attachment.detach();
  };
  using sockets = new DisposableStack();
  for (const socket of attachment.sockets.values()) sockets.use(socket);
  // A client that is not told that it is attached would wait for ever.
  const isTold = connection.send({ ok: {} }, [...attachment.sockets]);
  if (!isTold) throw new Error("the client cannot be given its streams");
  connection.listen(AttachedInput, (message) => {
    if ("resize" in message) attachment.resize(message.resize);
    else attachment.endInput();
  });
}
