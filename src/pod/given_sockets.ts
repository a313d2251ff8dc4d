/**
 * The sockets that a service manager has given to `run`: sd_listen_fds(3).
 *
 * @module
 */

import { Fd, FIRST_FD, isOpen } from "../linux/fd.ts";
import { ownVariable } from "../linux/proc.ts";
import { boundPort } from "../linux/socket_address.ts";
import type { ActivationPlan, GivenSocket } from "../plan/activation.ts";
import type { Activation } from "../process/launch.ts";

/** The most sockets that are looked at: a wrong number would keep `run` busy. */
const MOST_SOCKETS = 1024;

/**
 * Looks at the sockets. Variables that are for another process mean none.
 *
 * @throws {Error} when the variables name a descriptor that is not open.
 */
export function lookAtGivenSockets(): GivenSocket[] {
  if (ownVariable("LISTEN_PID") !== `${Deno.pid}`) return [];
  const text = ownVariable("LISTEN_FDS") ?? "";
  const count = /^\d{1,4}$/.test(text) ? Number(text) : NaN;
  if (!(count <= MOST_SOCKETS)) throw new Error(`LISTEN_FDS: ${text} is no number of sockets`);
  const names = ownVariable("LISTEN_FDNAMES")?.split(":") ?? [];
  return Array.from({ length: count }, (_, i) => {
    const fd = FIRST_FD + i;
    if (!isOpen(fd)) throw new Error(`LISTEN_FDS: ${text}, but descriptor ${fd} is not open`);
    return { fd, name: names[i] ?? "unknown", port: boundPort(fd) };
  });
}

/** Returns the sockets that an app is given, for its launch. */
export function openActivation(plan: ActivationPlan | undefined): Activation | undefined {
  if (plan === undefined) return undefined;
  return { sockets: plan.fds.map((number) => new Fd(number)), names: plan.names };
}
