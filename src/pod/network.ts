/**
 * The network of a pod: the host's, or a namespace of its own that plugins join to networks.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { makeNetwork } from "../linux/namespaces.ts";
import { ownEnvironment } from "../linux/process.ts";
import { networkDirectory, readConfigurationFiles } from "../network/configuration_files.ts";
import { runHelper } from "../network/helper_program.ts";
import { setUpNetworks } from "../network/set_up.ts";
import { ignoredArguments } from "../plan/ignored_arguments.ts";
import { planForwardedPorts } from "../plan/network/forwarded_ports.ts";
import { planNetworks } from "../plan/network/networks.ts";
import { tellIgnoredPorts } from "../plan/network/ports.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Debug } from "../stage1/log.ts";
import type { Pod } from "../stage1/pod.ts";
import { makeNetworkOf, type PodUsers } from "./user_namespace.ts";

/** A pod's network, as far as the rest of the pod needs to know it. */
export interface PodNetwork {
  /** Its namespace, unless it is the host's. */
  namespace: Fd | undefined;
  /** The host's address as the pod has it, where that is not 127.0.0.1. */
  hostIP: string | undefined;
  /** Whether the apps get a resolv.conf from a network. */
  hasResolvConf: boolean;
  /** What has no effect, one line each. */
  notes: string[];
}

/**
 * Makes a pod's network, as `--net` and the ports of its manifest have it.
 *
 * @param users Those that it belongs to, where they are not the host's.
 * @throws {Error} which names the network; nothing of it is left then, but what only `gc` may yet be able to undo.
 */
export function makePodNetwork(
  pod: Pod,
  args: RunArguments,
  users: PodUsers | undefined,
  debug: Debug,
): PodNetwork {
  const { mappings, notes } = planForwardedPorts(pod);
  const directory = networkDirectory(args.localConfig);
  const plan = planNetworks({
    net: args.net,
    directory,
    files: readConfigurationFiles(directory),
    ports: mappings,
  });
  if (plan.kind === "host") return inHostNetwork([...plan.notes, ...tellIgnoredPorts(pod)]);
  const namespace = users ? makeNetworkOf(users) : makeNetwork();
  const network = setUpNetworks(plan, {
    uuid: args.uuid,
    network: namespace,
    localConfig: args.localConfig,
    wantsDns: args.dns.resolv === "default",
    environment: ownEnvironment(),
    run: runHelper,
    debug,
  });
  const { hostIP, hasResolvConf } = network;
  return {
    namespace,
    hostIP,
    hasResolvConf,
    notes: [...notes, ...plan.notes, ...network.notes],
  };
}

/** The host's network, for a pod that can have no other. */
export function hostNetwork(pod: Pod, args: RunArguments): PodNetwork {
  return inHostNetwork([...ignoredArguments(args), ...tellIgnoredPorts(pod)]);
}

function inHostNetwork(notes: string[]): PodNetwork {
  return { namespace: undefined, hostIP: undefined, hasResolvConf: false, notes };
}
