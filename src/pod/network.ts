/**
 * The network of a pod: its namespace is made, and plugins join it to networks.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { makeNetwork } from "../linux/namespaces.ts";
import { ownEnvironment } from "../linux/proc.ts";
import { runHelper } from "../network/helper_program.ts";
import { setUpNetworks } from "../network/set_up.ts";
import type { NetworkPlan } from "../plan/network/networks.ts";
import type { NetworkFindings } from "../plan/pod.ts";
import type { PodContext } from "./context.ts";
import { makeNetworkOf, type PodUsers } from "./user_namespace.ts";

/** A pod's network, and what its plugins have found out. */
export interface PodNetwork extends NetworkFindings {
  /** Its namespace, unless it is the host's. */
  namespace: Fd | undefined;
  /** What has no effect, one line each. */
  notes: string[];
}

/**
 * Makes a pod's network namespace, and has plugins join it to the pod's networks.
 *
 * @param users The users that the namespace belongs to, where they are not the host's.
 * @throws {Error} which names the network. Nothing of it is left then, but what only `gc` may be
 * able to undo.
 */
export function makePodNetwork(
  plan: NetworkPlan,
  users: PodUsers | undefined,
  { args, debug }: PodContext,
): PodNetwork {
  if (plan.kind === "host") {
    return { namespace: undefined, hostIP: undefined, hasResolvConf: false, notes: [] };
  }
  const namespace = users ? makeNetworkOf(users) : makeNetwork();
  const joined = setUpNetworks(plan, {
    uuid: args.uuid,
    network: namespace,
    localConfig: args.localConfig,
    wantsDns: args.dns.resolv === "default",
    environment: ownEnvironment(),
    run: runHelper,
    debug,
  });
  return { namespace, ...joined };
}
