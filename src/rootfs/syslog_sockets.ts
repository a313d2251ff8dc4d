/**
 * The `/dev/log` of each app of an isolated pod, by which syslog(3) reaches the app's log. Apps may
 * change what is in the pod's /dev, so the sockets are elsewhere in the pod's root, and each app
 * has its own mounted on a file in /dev.
 *
 * @module
 */

import { makeDatagramSocket } from "../linux/datagram.ts";
import { removeAt, renameAt } from "../linux/directory.ts";
import type { Fd } from "../linux/fd.ts";
import { changeRoot, inMounts } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openBeneath } from "../linux/open.ts";
import { bindSocket, bindSocketAt } from "../linux/unix_address.ts";
import { SYSLOG_DIRECTORY, syslogPath } from "../plan/rootfs/mounts.ts";
import type { OwnRoot } from "./pod_root.ts";

/** Everybody may write there. */
const SOCKET_MODE = 0o666;

/** A name in the pod's root that is short enough for a socket, whatever the app's name is. */
const SHORT_NAME = "new-socket";

/**
 * Makes the sockets. Paths are walked here, which is safe: no process of an app has begun.
 *
 * @returns The socket of each app, to be read from.
 * @throws {SyscallError} when one cannot be made.
 */
export function makeSyslogSockets(
  { mounts, root }: OwnRoot,
  apps: readonly string[],
): Map<string, Fd> {
  return inMounts(mounts, () => {
    changeRoot(root);
    return new Map(apps.map((app) => {
      const socket = makeDatagramSocket();
      bindSocket(socket, SHORT_NAME, SOCKET_MODE);
      renameAt(root, SHORT_NAME, `.${syslogPath(app)}`);
      return [app, socket];
    }));
  });
}

/**
 * Makes the socket of an app that is added to a pod. Others run by then, so no path is walked in
 * the pod's root.
 *
 * @returns The socket, to be read from.
 * @throws {SyscallError} when it cannot be made.
 */
export function addSyslogSocket({ root }: OwnRoot, app: string): Fd {
  using directory = openSyslogDirectory(root);
  using undo = new DisposableStack();
  const socket = undo.use(makeDatagramSocket());
  // No app can have this name, and no other process that makes a socket.
  const name = `+${Deno.pid}`;
  removeAt(directory, name);
  bindSocketAt(socket, directory, name, SOCKET_MODE);
  renameAt(directory, name, app);
  undo.move();
  return socket;
}

/**
 * Removes the socket of an app that is removed from its pod, if it is there.
 *
 * @throws {SyscallError} when it cannot be removed.
 */
export function removeSyslogSocket({ root }: OwnRoot, app: string): void {
  using directory = openSyslogDirectory(root);
  removeAt(directory, app);
}

function openSyslogDirectory(root: Fd): Fd {
  return openBeneath(root, SYSLOG_DIRECTORY.slice(1), O_PATH | O_DIRECTORY);
}
