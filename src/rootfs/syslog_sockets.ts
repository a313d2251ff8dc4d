/**
 * The `/dev/log` of each app of an isolated pod, by which syslog(3) reaches the app's log. Apps may
 * change what is in the pod's /dev, so the sockets are elsewhere in the pod's root, and each app
 * has its own mounted on a file in /dev.
 *
 * The pod's root is read-only. Only by the descriptor of their directory are sockets made and
 * removed.
 *
 * @module
 */

import { makeDatagramSocket } from "../linux/datagram.ts";
import { removeAt, renameAt } from "../linux/directory.ts";
import type { Fd } from "../linux/fd.ts";
import { bindSocketAt } from "../linux/unix_address.ts";
import type { PodRoot } from "./pod_root.ts";

/** Everybody may write there. */
const SOCKET_MODE = 0o666;

/**
 * Makes the socket of an app.
 *
 * @returns The socket, to be read from.
 * @throws {SyscallError} when it cannot be made.
 */
export function addSyslogSocket({ syslog }: Pick<PodRoot, "syslog">, app: string): Fd {
  using undo = new DisposableStack();
  const socket = undo.use(makeDatagramSocket());
  // The app's name may be too long for a socket's address. No app can have this one, and no other
  // process that makes a socket.
  const name = `+${Deno.pid}`;
  removeAt(syslog, name);
  bindSocketAt(socket, syslog, name, SOCKET_MODE);
  renameAt(syslog, name, app);
  undo.move();
  return socket;
}

/**
 * Removes the socket of an app that is removed from its pod, if it is there.
 *
 * @throws {SyscallError} when it cannot be removed.
 */
export function removeSyslogSocket({ syslog }: Pick<PodRoot, "syslog">, app: string): void {
  removeAt(syslog, app);
}
