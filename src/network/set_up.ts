/**
 * Joining a pod to its networks.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { inNetwork } from "../linux/namespaces.ts";
import { LOOPBACK, setInterfaceUp } from "../linux/network_interface.ts";
import { readNetworkLink } from "../linux/network_link.ts";
import { exists } from "../linux/stat.ts";
import type { NetworkPlan, PlannedNetwork } from "../plan/network/networks.ts";
import { withContext } from "../stage1/context.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { savePodFile } from "../stage1/pod_file.ts";
import { type JoinedNetwork, saveNetInfo } from "./net_info.ts";
import { pinnedNetworkPath, pinNetwork } from "./pinned_network.ts";
import { type CallContext, callPlugin, type LocatedCall, type RunProgram } from "./plugin.ts";
import { linkHostPlugins, locatePlugin, pluginDirectories } from "./plugin_directories.ts";
import { type NetworkRecord, type RecordedNetwork, saveRecord } from "./record.ts";
import { formatResolvConf } from "./resolv_conf.ts";
import { formatResult, readResult } from "./result.ts";
import { tearDownNetworks } from "./tear_down.ts";

/** What joining needs. The working directory is the pod directory. */
export interface NetworkSetup {
  uuid: string;
  /** The pod's network namespace, in which nothing has been set up yet. */
  network: Fd;
  /** `--local-config`. */
  localConfig: string;
  /** Whether the pod gets its networks' name servers: `--dns-conf-mode=resolv=default`. */
  wantsDns: boolean;
  /** This process's variables, `NAME=value` each. */
  environment: readonly string[];
  run: RunProgram;
  /** Hears of each step as it is taken. */
  debug: (step: string) => void;
}

/** What joining a pod to its networks has brought. */
export interface JoinedNetworks {
  /**
   * The host's address in the network by which it reaches the pod: that of the metadata service.
   */
  hostIP: string | undefined;
  /** Whether a network brought a resolv.conf for the apps, now at `POD_PATHS.resolvConf`. */
  hasResolvConf: boolean;
  /** What is ignored, and why: one line each. */
  notes: string[];
}

/**
 * Joins a pod with a network namespace of its own to its networks. Writes the files of them that
 * rkt and `gc` read into the pod directory.
 *
 * @throws {Error} when a network cannot be joined: `--net=NAME: PLUGIN: why`. The networks joined
 * before are left again; what cannot be undone stays recorded for `gc`.
 */
export function setUpNetworks(
  plan: Exclude<NetworkPlan, { kind: "host" }>,
  setup: NetworkSetup,
): JoinedNetworks {
  withContext(
    "the pod's loopback interface",
    () => inNetwork(setup.network, () => setInterfaceUp(LOOPBACK)),
  );
  if (plan.kind === "none") {
    return { hostIP: undefined, hasResolvConf: false, notes: [] };
  }
  try {
    return joinNetworks(plan, setup);
  } catch (error) {
    tearDownNetworks({ ...setup, isLast: false }).forEach(setup.debug);
    throw error;
  }
}

/** A network that has been joined, and what is not done in it, one line each. */
interface Joined extends JoinedNetwork {
  notes: string[];
}

function joinNetworks(
  { networks, main }: Extract<NetworkPlan, { kind: "contained" }>,
  setup: NetworkSetup,
): JoinedNetworks {
  const { uuid, network, debug } = setup;
  // The namespace outlives the pod's processes, so that plugins can undo what they did in it.
  debug(`keep the network namespace at ${pinnedNetworkPath(uuid)}`);
  savePodFile(POD_PATHS.netns, pinnedNetworkPath(uuid));
  withContext("the pod's network namespace", () => pinNetwork(network, uuid));
  const joined = joinAll(networks, setup);
  saveNetInfo(joined);
  const address = joined.find(({ name }) => name === main)?.result.addresses
    .find(({ version }) => version === 4);
  const { hasResolvConf, notes } = chooseDns(joined, setup);
  const all = [...joined.flatMap((network) => network.notes), ...notes];
  return { hostIP: address?.gateway, hasResolvConf, notes: all };
}

/** Joins the networks. All plugins are located and recorded before the first one is called. */
function joinAll(planned: readonly PlannedNetwork[], setup: NetworkSetup): Joined[] {
  linkHostPlugins();
  const directories = pluginDirectories(setup.localConfig);
  const record: NetworkRecord = {
    searchPath: directories.join(":"),
    networks: planned.map((network) => locateAll(network, directories)),
  };
  saveRecord(record);
  return record.networks.map((network, i) => {
    setup.debug(`join network ${network.name} as ${network.ifName}`);
    const added = withContext(`--net=${network.name}`, () => addPod(network, record, setup));
    network.result = added.result;
    saveRecord(record);
    return {
      notes: added.notes,
      ...network,
      source: planned[i]!.source,
      pluginPath: network.calls[0]!.path,
      result: readResult(added.result, network.name),
    };
  });
}

function locateAll(network: PlannedNetwork, directories: readonly string[]): RecordedNetwork {
  const { name, ifName, args, calls } = network;
  const locate = (type: string) =>
    withContext(`--net=${name}`, () => locatePlugin(type, directories));
  return { name, ifName, args, calls: calls.map((call) => ({ ...call, path: locate(call.type) })) };
}

/** The output of a plugin, and the version of CNI that it is in. */
interface Answer {
  text: string;
  cniVersion: string;
}

/** @returns The network's result, and what is not done, one line each. */
function addPod(network: RecordedNetwork, record: NetworkRecord, setup: NetworkSetup) {
  const context = callContext(network, record, setup);
  const ofNetwork = network.calls.filter(({ adds }) => adds !== "bandwidth");
  let answer: Answer | undefined;
  for (const call of ofNetwork) {
    const text = callPlugin("ADD", call, resultFor(call, answer), context);
    readResult(text, call.type);
    // The plugin that this project adds behind a network's own, for ports, may use another version
    // of CNI. It only passes on the result that it gets; the network's own plugins have made it.
    if (call.adds === undefined) answer = { text, cniVersion: call.cniVersion };
  }
  const result = answer!.text;
  const limits = network.calls.filter((call) => !ofNetwork.includes(call));
  const notes = limits.flatMap((call) => limitTraffic(call, result, network, context, setup));
  return { result, notes };
}

/** Limits the pod's traffic. Where that cannot be, the pod runs without, as with other limits. */
function limitTraffic(
  call: LocatedCall,
  result: string,
  network: RecordedNetwork,
  context: CallContext,
  setup: NetworkSetup,
): string[] {
  const { name, ifName } = network;
  const hostSide = hostSideOf(ifName, setup);
  const why = hostSide === undefined
    ? "the pod's interface has no other end on the host, where it could be limited"
    : failureOf(() => {
      // Old results name no interfaces.
      const interfaces = [{ name: hostSide }, { name: ifName, sandbox: context.netns }];
      callPlugin("ADD", call, formatResult(readResult(result, name), interfaces), context);
    });
  return why === undefined
    ? []
    : [`--net=${name}: resource/network-bandwidth: not enforced: ${why}`];
}

function failureOf(act: () => void): string | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

/** Finds the host's end of the pod's interface, if that is one of a pair. */
function hostSideOf(ifName: string, { network }: NetworkSetup): string | undefined {
  const link = inNetwork(network, () => readNetworkLink(ifName));
  if (link?.kind !== "veth" || link.link === undefined) return undefined;
  return readNetworkLink(link.link)?.name;
}

function resultFor({ type, cniVersion }: LocatedCall, answer: Answer | undefined): unknown {
  if (answer === undefined) return undefined;
  if (answer.cniVersion === cniVersion) return JSON.parse(answer.text);
  const result = readResult(answer.text, type);
  if (result.addresses.length === 0) {
    throw new Error("ports: the network gave the pod no address that they could lead to");
  }
  return formatResult(result);
}

function callContext(
  { ifName, args }: RecordedNetwork,
  { searchPath }: NetworkRecord,
  { uuid, environment, run }: NetworkSetup,
): CallContext {
  return { uuid, netns: pinnedNetworkPath(uuid), searchPath, ifName, args, environment, run };
}

/** Takes the resolv.conf of the first network that has one, unless stage0 has written one. */
function chooseDns(joined: readonly JoinedNetwork[], { wantsDns }: NetworkSetup) {
  const [chosen, ...others] = joined.flatMap(({ name, result }) => {
    const text = formatResolvConf(result.dns, name);
    return text === undefined ? [] : [{ name, text }];
  });
  if (chosen === undefined || !wantsDns || exists(POD_PATHS.resolvConf)) {
    return { hasResolvConf: false, notes: [] };
  }
  savePodFile(POD_PATHS.resolvConf, chosen.text);
  const notes = others.map(({ name }) =>
    `--net=${name}: its name servers are ignored: those of ${chosen.name} come first`
  );
  return { hasResolvConf: true, notes };
}
