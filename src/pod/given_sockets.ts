/**
 * The sockets that a service manager has given to `run`: sd_listen_fds(3).
 *
 * @module
 */

import { Fd, FIRST_FD, isOpen } from "../linux/fd.ts";
import { ownEnvironment } from "../linux/proc.ts";
import { boundPort } from "../linux/socket.ts";
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
  const variables = new Map(
    ownEnvironment().map((entry) => {
      const at = entry.indexOf("=");
      return [entry.slice(0, at), entry.slice(at + 1)];
    }),
  );
  if (variables.get("LISTEN_PID") !== `${Deno.pid}`) return [];
  const text = variables.get("LISTEN_FDS") ?? "";
  const count = /^\d{1,4}$/.test(text) ? Number(text) : NaN;
  if (!(count <= MOST_SOCKETS)) throw new Error(`LISTEN_FDS: ${text} is no number of sockets`);
  const names = variables.get("LISTEN_FDNAMES")?.split(":") ?? [];
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
