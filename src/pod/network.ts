/**
 * The network of a pod: its namespace is made, and plugins join it to networks.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { makeNetwork } from "../linux/namespaces.ts";
import { ownEnvironment } from "../linux/proc.ts";
import { runHelper } from "../network/helper_program.ts";
import { takeHostPorts, type TakenPorts } from "../network/host_ports.ts";
import { leaveNetworksOf, type NetworkKeeper, startNetworkKeeper } from "../network/keeper.ts";
import { setUpNetworks } from "../network/set_up.ts";
import { settingUpNetwork } from "../plan/network/failure.ts";
import type { NetworkPlan } from "../plan/network/networks.ts";
import type { NetworkFindings } from "../stage1/runtime_config.ts";
import type { PodContext } from "./context.ts";
import { makeNetworkOf, type PodUsers } from "./user_namespace.ts";

/** A pod's network, and what its plugins have found out. */
export interface PodNetwork extends NetworkFindings {
  /** Its namespace, unless it is the host's. */
  namespace: Fd | undefined;
  /** Takes the pod from its networks, if it has joined any. */
  keeper: NetworkKeeper | undefined;
  /** What has no effect, one line each. */
  notes: string[];
}

/** What there is to find out of a pod in the host's network: nothing. */
export const HOSTS_NETWORK: NetworkFindings = { hostIP: undefined, hasResolvConf: false };

/**
 * Takes the ports of the host that are to lead to the pod. Ports of pods that were killed, and have
 * not left their networks, become free by that.
 *
 * @returns `undefined` when the pod has none.
 * @throws {Error} which names the port, and the pod that has it.
 */
export function takePorts(plan: NetworkPlan, { args }: PodContext): TakenPorts | undefined {
  if (plan.kind !== "contained") return undefined;
  const environment = ownEnvironment();
  return settingUpNetwork(() =>
    takeHostPorts(
      args.uuid,
      plan.ports,
      ({ pod, directory }) =>
        leaveNetworksOf({ uuid: pod, directory, environment, debug: args.debug, held: [] }),
    )
  );
}

/**
 * Makes a pod's network namespace, and has plugins join it to the pod's networks.
 *
 * @param users The users that the namespace belongs to, where they are not the host's.
 * @param ports What {@linkcode takePorts} has returned.
 * @throws {Error} which names the network. Nothing of it is left then, but what only `gc` may be
 * able to undo.
 */
export function makePodNetwork(
  plan: NetworkPlan,
  users: PodUsers | undefined,
  ports: TakenPorts | undefined,
  { args, debug }: PodContext,
): PodNetwork {
  if (plan.kind === "host") {
    return { namespace: undefined, keeper: undefined, ...HOSTS_NETWORK, notes: [] };
  }
  const { uuid } = args;
  const environment = ownEnvironment();
  const namespace = users ? makeNetworkOf(users) : makeNetwork();
  // Before the first plugin, so that also what a killed run has begun is undone.
  const keeper = plan.kind === "none"
    ? undefined
    : startNetworkKeeper({ uuid, environment, debug: args.debug, held: ports ? [ports.held] : [] });
  try {
    const joined = settingUpNetwork(() =>
      setUpNetworks(plan, {
        uuid,
        network: namespace,
        localConfig: args.localConfig,
        wantsDns: args.dns.resolv === "default",
        environment,
        run: runHelper,
        debug,
      })
    );
    return { namespace, keeper, ...joined };
  } catch (error) {
    // What could be undone has been. The error that all this came from matters more.
    keeper?.finish().forEach(debug);
    throw error;
  }
}
