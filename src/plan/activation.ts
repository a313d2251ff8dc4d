/**
 * Sockets that a service manager has opened before it started rkt, and the apps that want them:
 * sd_listen_fds(3), and `socketActivated` of the appc spec.
 *
 * @module
 */

import type { Pod, PodApp } from "../stage1/pod.ts";

/** A socket that `run` was given. */
export interface GivenSocket {
  /** Its descriptor. */
  fd: number;
  /** The name that the manager has given it, for messages and for the app. */
  name: string;
  /** What it is bound to; undefined if that is no port, or if it is connected. */
  port: { protocol: "tcp" | "udp"; number: number } | undefined;
}

/** The sockets that an app gets. */
export interface ActivationPlan {
  /** The descriptors in `run`, in ascending order. The app has them from 3 on. */
  fds: number[];
  names: string[];
}

/** Tells whether an app wants sockets. */
export function wantsSockets({ app }: PodApp): boolean {
  return app.ports.some(({ socketActivated }) => socketActivated);
}

/**
 * Decides which sockets an app gets: those that are bound to its ports. Where the pod manifest
 * exposes a port as another one of the host's, the socket is bound to that one.
 *
 * @returns `undefined` for an app that wants none.
 * @throws {Error} when there is no socket for a port; it names the port's field.
 */
export function planActivation(
  pod: Pod,
  app: PodApp,
  given: readonly GivenSocket[],
): ActivationPlan | undefined {
  if (!wantsSockets(app)) return undefined;
  const sockets = app.app.ports.flatMap((port, i) =>
    port.socketActivated ? socketsFor(pod, app, i, given) : []
  );
  const unique = [...new Set(sockets)].sort((a, b) => a.fd - b.fd);
  return { fds: unique.map(({ fd }) => fd), names: unique.map(({ name }) => name) };
}

/**
 * Tells of sockets that no app gets: whoever connects would wait for ever.
 *
 * @param plans The plans of all apps.
 */
export function notesOnSockets(
  given: readonly GivenSocket[],
  plans: readonly (ActivationPlan | undefined)[],
): string[] {
  const taken = new Set(plans.flatMap((plan) => plan?.fds ?? []));
  return given.filter(({ fd }) => !taken.has(fd)).map((socket) =>
    `LISTEN_FDS: ${describeSocket(socket)}: ignored: no app has a socketActivated port for it`
  );
}

/** Tells whether a port that the pod manifest exposes is one whose socket an app is given. */
export function isActivated({ apps }: Pod, name: string): boolean {
  return apps.some(({ app }) =>
    app.ports.some((port) => port.name === name && port.socketActivated)
  );
}

function socketsFor(
  { manifest }: Pod,
  { app, field }: PodApp,
  i: number,
  given: readonly GivenSocket[],
): GivenSocket[] {
  const { name, protocol, port, count } = app.ports[i]!;
  const hostPort = manifest.ports.find((exposed) => exposed.name === name)?.hostPort;
  const first = hostPort || port;
  return Array.from({ length: count }, (_, offset) => {
    const number = first + offset;
    const found = given.filter((socket) =>
      socket.port?.number === number && socket.port.protocol === (protocol || "tcp").toLowerCase()
    );
    if (found.length > 0) return found;
    const what = `LISTEN_FDS has no socket of ${protocol || "tcp"} port ${number}`;
    throw new Error(`${field}.app.ports[${i}].socketActivated: ${what}`);
  }).flat();
}

function describeSocket({ name, port }: GivenSocket): string {
  return `${name} (${port === undefined ? "no port" : `${port.protocol} port ${port.number}`})`;
}
