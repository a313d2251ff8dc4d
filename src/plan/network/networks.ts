/**
 * The networks that a pod joins, their order, and the configuration of each of their plugins.
 *
 * @module
 */

import { quoteText } from "../../linux/text.ts";
import { BUILT_IN } from "./built_in.ts";
import {
  type ConfigurationFile,
  type NetworkConfiguration,
  type PluginConfiguration,
  readConfiguration,
} from "./configuration.ts";
import type { PortMapping } from "./forwarded_ports.ts";
import { parseNetList, type RequestedNetwork } from "./net_list.ts";

/** A call of one plugin of a network. */
export interface PluginCall {
  /** The program's name. */
  type: string;
  /** The version of CNI that its configuration is in. */
  cniVersion: string;
  /** Its configuration as JSON. The result of the plugins before it is added later. */
  configuration: string;
}

/** A network that the pod joins. */
export interface PlannedNetwork {
  name: string;
  /** The file of its configuration. */
  source: string;
  /** The name of its interface in the pod. */
  ifName: string;
  /** `NAME=VALUE;…` for the plugins; empty for none. */
  args: string;
  /** The plugins' calls, in the order in which they add the pod. */
  calls: PluginCall[];
}

/** A pod's network: the host's, or its own, without networks (`none`) or with (`contained`). */
export type NetworkPlan =
  | { kind: "host"; notes: string[] }
  | { kind: "none"; notes: string[] }
  | {
    kind: "contained";
    /** The networks, in the order in which they are joined. */
    networks: PlannedNetwork[];
    /** The name of the network by which the host reaches the pod. */
    main: string;
    /** The ports of the host that lead to the pod, in the order of the pod manifest's `ports`. */
    ports: readonly PortMapping[];
    notes: string[];
  };

/** The inputs of a pod's network plan. */
export interface NetworkRequest {
  /** `--net`. */
  net: string;
  /** The directory of the user's configurations, for errors. */
  directory: string;
  /** The user's configurations, in the order of their names. */
  files: readonly ConfigurationFile[];
  ports: readonly PortMapping[];
}

/** The plugin that forwards ports of the host to the pod. */
const PORTMAP = "portmap";
const PORT_MAPPINGS = "portMappings";

/** The newest version of CNI that every `portmap` knows. */
const PORTMAP_VERSION = "0.3.1";

/**
 * Plans a pod's network, as rkt does: `host` anywhere in the list means the host's network, `none`
 * no network, `all` every network that is configured; else each name must be that of a configured
 * network. Networks are joined in the order of their files' names, whatever the order in the list.
 *
 * @throws {Error} when the list or a file is malformed, when a network is not configured, or when
 * ports should lead to a pod without a network.
 */
export function planNetworks({ net, directory, files, ports }: NetworkRequest): NetworkPlan {
  const kind = networkKind(net);
  if (kind === "host") return { kind, notes: [] };
  if (kind === "none") return planNone(ports);

  const requested = parseNetList(net);
  const isRequested = (name: string) => requested.some((network) => network.name === name);
  const isAll = isRequested("all");
  const all = [...files, ...BUILT_IN].map(readConfiguration);
  refuseMissing(requested, all, directory);
  const joined = isAll ? all : all.filter(({ name }) => isRequested(name));
  const { first, doubles } = byName(joined);

  const inOrder = first.toSorted(byFileName);
  const main = findMain(inOrder);
  const networks = inOrder.map((configuration, i) =>
    planNetwork(configuration, i, requested, configuration === main ? ports : [])
  );
  const notes = doubles.map(describeDouble);
  return { kind: "contained", networks, main: main.name, ports, notes };
}

/**
 * Returns the directory of the user's network configurations and plugins.
 *
 * @param localConfig `--local-config`.
 */
export function networkDirectory(localConfig: string): string {
  return `${localConfig.replace(/\/+$/, "")}/net.d`;
}

/**
 * Tells which kind of network `--net` asks for.
 *
 * @throws {Error} when the list is malformed.
 */
export function networkKind(net: string): NetworkPlan["kind"] {
  const names = parseNetList(net).map(({ name }) => name);
  if (names.includes("host")) return "host";
  return names.includes("none") ? "none" : "contained";
}

function planNone(ports: readonly PortMapping[]): NetworkPlan {
  if (ports.length > 0) {
    throw new Error("ports: --net=none: there is no way to a pod without a network");
  }
  return { kind: "none", notes: [] };
}

/** Splits configurations into those that are the first of their name, and the others. */
function byName(configurations: readonly NetworkConfiguration[]) {
  const isFirst = ({ name }: NetworkConfiguration, i: number) =>
    configurations.findIndex((other) => other.name === name) === i;
  return {
    first: configurations.filter(isFirst),
    // A user's configuration goes before a built-in network on purpose: that needs no note.
    doubles: configurations.filter((configuration, i) =>
      !isFirst(configuration, i) && !BUILT_IN.includes(configuration.file)
    ),
  };
}

function describeDouble({ name, file }: NetworkConfiguration): string {
  return `${file.path}: ignored: a file before it has a network ${JSON.stringify(name)} as well`;
}

function refuseMissing(
  requested: readonly RequestedNetwork[],
  all: readonly NetworkConfiguration[],
  directory: string,
): void {
  const names = [...new Set(all.map(({ name }) => name))];
  const missing = requested.map(({ name }) => name)
    .filter((name) => name !== "all" && !names.includes(name));
  if (missing.length === 0) return;
  const list = missing.map(quoteText).join(", ");
  throw new Error(
    `--net: no network ${list}: ${directory} and this image have ${names.join(", ")}`,
  );
}

function byFileName(a: NetworkConfiguration, b: NetworkConfiguration): number {
  const [nameA, nameB] = [fileNameOf(a), fileNameOf(b)];
  return nameA === nameB ? 0 : nameA < nameB ? -1 : 1;
}

function fileNameOf({ file }: NetworkConfiguration): string {
  return file.path.slice(file.path.lastIndexOf("/") + 1);
}

/**
 * Finds the network that ports lead through: the first that has a plugin for ports of its own;
 * else, as in rkt, the first that hides the pod behind the host's address; else the last.
 */
function findMain(networks: readonly NetworkConfiguration[]): NetworkConfiguration {
  return networks.find(mapsPorts) ?? networks.find(({ ipMasq }) => ipMasq) ?? networks.at(-1)!;
}

function mapsPorts({ plugins }: NetworkConfiguration): boolean {
  return plugins.some(({ capabilities }) => capabilities.includes(PORT_MAPPINGS));
}

function planNetwork(
  configuration: NetworkConfiguration,
  index: number,
  requested: readonly RequestedNetwork[],
  ports: readonly PortMapping[],
): PlannedNetwork {
  const { name, plugins, file } = configuration;
  const calls = plugins.map((plugin) => planCall(configuration, plugin, ports));
  return {
    name,
    source: file.path,
    ifName: `eth${index}`,
    args: requested.find((network) => network.name === name)?.args ?? "",
    calls: ports.length === 0 || mapsPorts(configuration)
      ? calls
      : [...calls, planPortmap(name, ports)],
  };
}

/** Plans a call. The file of a single plugin is passed on byte by byte, unless ports are added. */
function planCall(
  { name, cniVersion, isList, file }: NetworkConfiguration,
  { type, capabilities, fields }: PluginConfiguration,
  ports: readonly PortMapping[],
): PluginCall {
  const runtime = ports.length > 0 && capabilities.includes(PORT_MAPPINGS)
    ? { runtimeConfig: { [PORT_MAPPINGS]: ports } }
    : {};
  const configuration = isList || runtime.runtimeConfig
    ? JSON.stringify({ ...fields, name, cniVersion, ...runtime })
    : file.text;
  return { type, cniVersion, configuration };
}

function planPortmap(name: string, ports: readonly PortMapping[]): PluginCall {
  const configuration = {
    cniVersion: PORTMAP_VERSION,
    name,
    type: PORTMAP,
    // With this, the host reaches the port by its own addresses as well, also by 127.0.0.1.
    snat: true,
    capabilities: { [PORT_MAPPINGS]: true },
    runtimeConfig: { [PORT_MAPPINGS]: ports },
  };
  return {
    type: PORTMAP,
    cniVersion: PORTMAP_VERSION,
    configuration: JSON.stringify(configuration),
  };
}
