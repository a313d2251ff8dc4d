/**
 * Which networks a pod joins, in what order, and what each of their plugins is told.
 *
 * @module
 */

import { BUILT_IN } from "./built_in.ts";
import {
  type ConfigurationFile,
  type NetworkConfiguration,
  type PluginConfiguration,
  readConfiguration,
} from "./configuration.ts";
import type { PortMapping } from "./forwarded_ports.ts";
import { parseNetList, type RequestedNetwork } from "./net_list.ts";

/** What one plugin of a network is told. */
export interface PluginCall {
  /** The program's name. */
  type: string;
  /** The version of CNI that its configuration is in. */
  cniVersion: string;
  /** Its configuration as JSON, but for the result of those before it. */
  configuration: string;
}

/** A network that the pod joins. */
export interface PlannedNetwork {
  name: string;
  /** Where its configuration is from. */
  source: string;
  /** The interface in the pod. */
  ifName: string;
  /** `NAME=VALUE;…` for the plugins; empty for none. */
  args: string;
  /** In the order in which they add the pod. */
  calls: PluginCall[];
}

/** The network that a pod has: the host's, or its own with or without a way out. */
export type NetworkPlan =
  | { kind: "host"; notes: string[] }
  | { kind: "none"; notes: string[] }
  | {
    kind: "contained";
    /** In the order in which they are joined. */
    networks: PlannedNetwork[];
    /** The name of the one by which the host reaches the pod. */
    main: string;
    notes: string[];
  };

/** What decides about a pod's network. */
export interface NetworkRequest {
  /** `--net`. */
  net: string;
  /** Where the user's configurations are, for errors. */
  directory: string;
  /** The user's configurations, in the order of their names. */
  files: readonly ConfigurationFile[];
  ports: readonly PortMapping[];
}

/** The plugin that leads ports of the host to the pod. */
const PORTMAP = "portmap";
const PORT_MAPPINGS = "portMappings";

/** The newest version that every `portmap` knows. */
const PORTMAP_VERSION = "0.3.1";

/**
 * Plans a pod's network. As rkt has it: `host` anywhere in the list means the host's network, `none` no
 * network at all, `all` every one that there is; else each of the list must be there. Networks are joined in
 * the order of their files' names, whatever the list's order.
 *
 * @throws {Error} when the list or a file is wrong, when there is no such network, and when ports should lead
 * to a pod without one.
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
  return { kind: "contained", networks, main: main.name, notes: doubles.map(describeDouble) };
}

/**
 * Returns the directory of network configurations, and of plugins of the user's own.
 *
 * @param localConfig `--local-config`.
 */
export function networkDirectory(localConfig: string): string {
  return `${localConfig.replace(/\/+$/, "")}/net.d`;
}

/**
 * Tells which kind of network `--net` asks for.
 *
 * @throws {Error} when the list is wrong.
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

/** Those that are the first of their name, and those that are not. */
function byName(configurations: readonly NetworkConfiguration[]) {
  const isFirst = ({ name }: NetworkConfiguration, i: number) =>
    configurations.findIndex((other) => other.name === name) === i;
  return {
    first: configurations.filter(isFirst),
    // That a user's configuration goes before one of the image is as it should be, and not remarked on.
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
  const list = missing.map((name) => JSON.stringify(name)).join(", ");
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
 * Ports lead through the first network that has a plugin for it of its own, else, as rkt has it, through the
 * first that hides the pod behind the host's address, else through the last.
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

/** A file of one plugin is passed on to the byte, unless there is something to add. */
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
    // So that the host reaches the port by its own addresses as well, 127.0.0.1 among them.
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
