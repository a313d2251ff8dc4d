/**
 * The networks that a pod joins, their order, and the configuration of each of their plugins.
 *
 * @module
 */

import { quoteText } from "../../linux/text.ts";
import { BANDWIDTH, type BandwidthLimit } from "./bandwidth.ts";
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
  /**
   * What it is called for, where this project has added it to the network's own plugins. It passes
   * on the result that it gets.
   */
  adds?: "ports" | "bandwidth";
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
  /** The limit of the pod's traffic in each network; `undefined` for none. */
  bandwidth?: BandwidthLimit | undefined;
}

/** What networks and plugins are told at run time, by the names of CNI's capabilities. */
type RuntimeConfig = Record<string, unknown>;

const PORT_MAPPINGS = "portMappings";

/** A plugin that is called behind a network's own, unless one of those takes the setting. */
interface AddedPlugin {
  type: string;
  /** What it is told, by the name of CNI's capability. */
  setting: string;
  adds: NonNullable<PluginCall["adds"]>;
  fields?: object;
}

const ADDED: readonly AddedPlugin[] = [
  // With `snat`, the host reaches the port by its own addresses as well, also by 127.0.0.1.
  { type: "portmap", setting: PORT_MAPPINGS, adds: "ports", fields: { snat: true } },
  { type: BANDWIDTH, setting: BANDWIDTH, adds: "bandwidth" },
];

/** The newest version of CNI that every plugin knows which is added to a network's own. */
const ADDED_VERSION = "0.3.1";

/**
 * Plans a pod's network, as rkt does: `host` anywhere in the list means the host's network, `none`
 * no network, `all` every network that is configured; else each name must be that of a configured
 * network. Networks are joined in the order of their files' names, whatever the order in the list.
 *
 * @throws {Error} when the list or a file is malformed, when a network is not configured, or when
 * ports should lead to a pod without a network.
 */
export function planNetworks(request: NetworkRequest): NetworkPlan {
  const { net, directory, files, ports, bandwidth } = request;
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
    planNetwork(configuration, i, requested, {
      ...(configuration === main && ports.length > 0 ? { [PORT_MAPPINGS]: ports } : {}),
      ...(bandwidth === undefined ? {} : { [BANDWIDTH]: bandwidth }),
    })
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
  const mapsPorts = (network: NetworkConfiguration) => takes(network, PORT_MAPPINGS);
  return networks.find(mapsPorts) ?? networks.find(({ ipMasq }) => ipMasq) ?? networks.at(-1)!;
}

/** Tells whether a plugin of the network's own takes a setting. */
function takes({ plugins }: NetworkConfiguration, capability: string): boolean {
  return plugins.some(({ capabilities }) => capabilities.includes(capability));
}

function planNetwork(
  configuration: NetworkConfiguration,
  index: number,
  requested: readonly RequestedNetwork[],
  settings: RuntimeConfig,
): PlannedNetwork {
  const { name, plugins, file } = configuration;
  const calls = plugins.map((plugin) => planCall(configuration, plugin, settings));
  const added = ADDED.filter(({ setting }) =>
    setting in settings && !takes(configuration, setting)
  );
  return {
    name,
    source: file.path,
    ifName: `eth${index}`,
    args: requested.find((network) => network.name === name)?.args ?? "",
    calls: [...calls, ...added.map((plugin) => planAdded(name, plugin, settings))],
  };
}

/** Plans a call. The file of a single plugin is passed on byte by byte, unless it is told more. */
function planCall(
  { name, cniVersion, isList, file }: NetworkConfiguration,
  { type, capabilities, fields }: PluginConfiguration,
  settings: RuntimeConfig,
): PluginCall {
  const told = Object.entries(settings).filter(([setting]) => capabilities.includes(setting));
  const runtime = told.length > 0 ? { runtimeConfig: Object.fromEntries(told) } : {};
  const configuration = isList || told.length > 0
    ? JSON.stringify({ ...fields, name, cniVersion, ...runtime })
    : file.text;
  return { type, cniVersion, configuration };
}

function planAdded(
  name: string,
  { type, setting, adds, fields }: AddedPlugin,
  settings: RuntimeConfig,
): PluginCall {
  const configuration = {
    cniVersion: ADDED_VERSION,
    name,
    type,
    ...fields,
    capabilities: { [setting]: true },
    runtimeConfig: { [setting]: settings[setting] },
  };
  return { type, cniVersion: ADDED_VERSION, configuration: JSON.stringify(configuration), adds };
}
