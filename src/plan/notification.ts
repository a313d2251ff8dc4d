/**
 * How a service manager learns that a pod is ready, and how a pod learns it of its apps:
 * sd_notify(3).
 *
 * @module
 */

import type { PodApp } from "../stage1/pod.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { annotationOfApp, isTrue } from "./annotations.ts";

/** The variable that names the socket. */
export const NOTIFY_SOCKET = "NOTIFY_SOCKET";

/**
 * Where an app finds the socket: right in its root, because any directory can be a volume of the
 * host's, in which nothing is made.
 */
export const NOTIFY_TARGET = "/.notify";

/** The most characters of a status that are passed on. */
const LONGEST_STATUS = 256;

/** How an app tells that it is ready. */
export interface NotificationPlan {
  /** The value of the app's own `NOTIFY_SOCKET`. */
  variable: string;
  /**
   * The socket that the app finds there: that of the service manager, where `run` becomes the app;
   * else one of the pod's own, relative to the pod directory. An abstract one is no file.
   */
  source: string | undefined;
}

/** What decides how an app tells that it is ready. */
export interface NotificationOptions {
  /** The app's number in the pod. */
  number: number;
  /** Whether `run` becomes the app. */
  isBecome: boolean;
  /** The address that `run` tells of the pod, if there is one. */
  manager: string | undefined;
}

/**
 * Decides how an app tells that it is ready.
 *
 * A pod's own socket is there whether or not a service manager waits for the pod: `rkt status
 * --wait-ready` does as well.
 *
 * @returns `undefined` for an app that does not tell, or has nobody to tell it.
 * @throws {Error} when the annotation is neither `true` nor `false`.
 */
export function planNotification(
  app: PodApp,
  { number, isBecome, manager }: NotificationOptions,
): NotificationPlan | undefined {
  const found = annotationOfApp(app, "appc.io/executor/supports-systemd-notify");
  if (found === undefined || !isTrue(found)) return undefined;
  if (!isBecome) return { variable: NOTIFY_TARGET, source: `${POD_PATHS.notify}/${number}` };
  if (manager === undefined) return undefined;
  return manager.startsWith("@")
    ? { variable: manager, source: undefined }
    : { variable: NOTIFY_TARGET, source: manager };
}

/**
 * Notes that nobody waits for an app which is added to a pod that runs: one line.
 *
 * @throws {Error} when the annotation is neither `true` nor `false`.
 */
export function notesOnLateNotification(app: PodApp): string[] {
  const found = annotationOfApp(app, "appc.io/executor/supports-systemd-notify");
  if (found === undefined || !isTrue(found)) return [];
  return [`${found.place} (${found.name}): ignored: the pod is ready before the app is there`];
}

/**
 * Finds the address of the service manager in what `NOTIFY_SOCKET` says.
 *
 * @param value `undefined` where the variable is not set.
 * @returns The address of a socket of this machine, if it is one; and a note, if it is not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(managerAddress("/run/systemd/notify").address, "/run/systemd/notify");
 * assertEquals(managerAddress("vsock:2:1234").notes, [
 *   "NOTIFY_SOCKET: ignored: vsock:2:1234 is neither a path nor an abstract name",
 * ]);
 * ```
 */
export function managerAddress(
  value: string | undefined,
): { address: string | undefined; notes: string[] } {
  if (value === undefined || value === "") return { address: undefined, notes: [] };
  if (/^[/@]./.test(value)) return { address: value, notes: [] };
  const why = `${value} is neither a path nor an abstract name`;
  return { address: undefined, notes: [`${NOTIFY_SOCKET}: ignored: ${why}`] };
}

/** What an app has told. */
export interface Notification {
  isReady: boolean;
  status: string | undefined;
}

/**
 * Reads what an app has told. Only its readiness and its status are passed on: an app that could
 * say `MAINPID=` or `STOPPING=1` would speak for the whole pod.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(readNotification("MAINPID=1\nSTATUS=hello\nREADY=1\n"), {
 *   isReady: true,
 *   status: "hello",
 * });
 * ```
 */
export function readNotification(text: string): Notification {
  const lines = text.split("\n");
  const status = lines.findLast((line) => line.startsWith("STATUS="))?.slice("STATUS=".length);
  return { isReady: lines.includes("READY=1"), status: status?.slice(0, LONGEST_STATUS) };
}
