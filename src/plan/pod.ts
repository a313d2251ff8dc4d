/**
 * The plan of a pod: all that `run` does, decided as plain data before any of it is done. `explain`
 * prints the same plan, made by the same call.
 *
 * @module
 */

import type { Isolators } from "../appc/isolators.ts";
import type { Capability } from "../linux/capabilities.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { Pod } from "../stage1/pod.ts";
import { metadataUrl, type NetworkFindings } from "../stage1/runtime_config.ts";
import { notesOnSockets } from "./activation.ts";
import { unreadAnnotationsOf } from "./annotations.ts";
import { type AppOptions, type AppPlan, planApp, planPodMaskedPaths } from "./app.ts";
import { planOwnCgroups } from "./cgroup/own_cgroups.ts";
import type { CgroupPlan } from "./cgroup/placement.ts";
import { planPodCgroups, type PodCgroupPlan, PROCESS_LIMIT } from "./cgroup/pod_cgroups.ts";
import { tellIgnored } from "./fields.ts";
import type { HostFacts } from "./host_facts.ts";
import { type IdRange, parsePrivateUsers } from "./id_range.ts";
import { ignoredArguments } from "./ignored_arguments.ts";
import { isolatorsOfApp, isolatorsOfPod, notesOnUnknownIsolators } from "./isolators.ts";
import {
  type NamedPath,
  notesOnKubernetesLogs,
  planKubernetesDirectory,
} from "./kubernetes_log.ts";
import { hostnameOf, type NamespacePlan, planNamespaceKinds, runBecomesApp } from "./namespaces.ts";
import { planBandwidth } from "./network/bandwidth.ts";
import { settingUpNetwork } from "./network/failure.ts";
import { planForwardedPorts } from "./network/forwarded_ports.ts";
import {
  networkDirectory,
  networkKind,
  type NetworkPlan,
  type NetworkRequest,
  planNetworks,
} from "./network/networks.ts";
import { tellIgnoredPorts } from "./network/ports.ts";
import { managerAddress } from "./notification.ts";
import { isMutable } from "./policy.ts";
import type { MaskedPath } from "./rootfs/masked_paths.ts";
import { networkResolvConf, withCgroups } from "./rootfs/mounts.ts";
import { planSysctls, type SysctlStep } from "./sysctl.ts";

/** The part of a plan that all pods have. */
interface CommonPlan {
  uuid: string;
  flavor: Flavor;
  /** In the order in which they start. */
  apps: AppPlan[];
  /** The pod's own namespaces, unless it is in the host's. */
  namespaces: NamespacePlan | undefined;
  /** The host's ids that are the pod's, if it has users of its own. */
  users: IdRange | undefined;
  network: NetworkPlan;
  /** Settings of the kernel, written in the pod's namespaces. */
  sysctls: SysctlStep[];
  /** How paths of the pod's own /proc and /sys are masked. */
  maskedPaths: MaskedPath[];
  /** The token by which rkt's metadata service knows the pod; empty if it does not. */
  mdsToken: string;
  /** The address of the service manager that is told of the pod, if there is one. */
  manager: string | undefined;
  /** The directory of the host in which apps have logs for Kubernetes, if there is one. */
  kubernetesLogs: NamedPath | null;
  /** What has no effect, or only a part of it, and why: one line each. */
  notes: string[];
}

/** The plan of a pod whose only app `run` becomes. */
export interface SingleAppPlan extends CommonPlan {
  runBecomes: "app";
  /** The cgroups that `run` moves into. */
  cgroups: CgroupPlan[];
}

/** The plan of a pod that `run` stays with. */
export interface SupervisedPlan extends CommonPlan {
  runBecomes: "supervisor";
  /** Whether it begins without apps, and gets them while it runs. */
  isMutable: boolean;
  /** The cgroups of the pod, and of each app below them. */
  cgroups: PodCgroupPlan[];
}

/** All that `run` does with a pod. */
export type PodPlan = SingleAppPlan | SupervisedPlan;

/**
 * Decides all that `run` does with a pod, from its arguments alone.
 *
 * What only the plugins of a network find out is added later: {@linkcode withNetwork}.
 *
 * @throws {Error} when a field is wrong; the message names it.
 */
export function planPod(pod: Pod, args: RunArguments, flavor: Flavor, facts: HostFacts): PodPlan {
  checkNumberOfApps(pod);
  const kinds = planNamespaceKinds(args, flavor);
  const isIsolated = flavor === "isolated";
  const hasNetwork = kinds.includes("net");
  const users = isIsolated ? parsePrivateUsers(args.privateUsers) : undefined;
  const ofPod = isolatorsOfPod(pod);
  const ofApps = pod.apps.map(isolatorsOfApp);
  const bandwidth = planBandwidth({
    ofPod,
    ofApps,
    kind: isIsolated ? networkKind(args.net) : "host",
    hasPlugin: facts.hasBandwidthPlugin,
  });
  const network = planNetwork(pod, args, flavor, { ...facts, bandwidth: bandwidth.limit });
  const manager = managerAddress(facts.notifySocket);
  const options: AppOptions = {
    ...appOptions(args, flavor, ofPod),
    isBecome: runBecomesApp(pod, flavor),
    isAdded: false,
    manager: manager.address,
  };
  const planned = pod.apps.map((app, i) => planApp(pod, app, ofApps[i]!, options, facts));
  const withoutCgroups = planned.map(({ plan }) => plan);
  const cgroups = planCgroups(pod, args.uuid, flavor, {
    ...{ ofPod, ofApps, facts },
    apps: withoutCgroups,
  });
  const shown = cgroups.plan.runBecomes === "app" ? [] : cgroups.plan.cgroups;
  const apps = withoutCgroups.map((app) => appWithCgroups(app, shown));
  const common: CommonPlan = {
    uuid: args.uuid,
    flavor,
    apps,
    namespaces: isIsolated
      ? { kinds, hostname: hostnameOf(args), capabilities: unionOfCapabilities(apps) }
      : undefined,
    users,
    network: network.plan,
    sysctls: planSysctls(ofPod, ofApps, kinds, facts.sysctls),
    maskedPaths: planPodMaskedPaths(pod, { flavor, hasNetwork, disablePaths: args.disablePaths }),
    mdsToken: args.mdsToken,
    manager: manager.address,
    kubernetesLogs: planKubernetesDirectory(pod),
    notes: unique([
      ...manager.notes,
      ...notesOnSockets(facts.sockets, apps.map(({ activation }) => activation)),
      ...(isIsolated ? [] : ignoredArguments(args)),
      ...(args.mutable && !isMutable(pod) ? [MUTABLE_IGNORED] : []),
      ...network.notes,
      ...planned.flatMap(({ notes }) => notes),
      ...notesOnUnknownIsolators(ofPod),
      ...notesOnKubernetesLogs(pod, isMutable(pod) || apps.some(({ log }) => log !== undefined)),
      ...unreadAnnotationsOf(pod).map((place) => tellIgnored("unknown annotations", place)),
      ...cgroups.notes,
      ...bandwidth.notes,
    ]),
  };
  return { ...common, ...cgroups.plan };
}

/** Decides what holds for every app of a pod, also for one that is added later. */
export function appOptions(
  args: RunArguments,
  flavor: Flavor,
  ofPod: Isolators,
): Omit<AppOptions, "isAdded" | "isBecome" | "manager"> {
  const isIsolated = flavor === "isolated";
  return {
    ...args,
    flavor,
    hasNetwork: planNamespaceKinds(args, flavor).includes("net"),
    ofPod,
    ids: isIsolated ? parsePrivateUsers(args.privateUsers) : undefined,
    hostname: isIsolated ? hostnameOf(args) : undefined,
    metadataUrl: metadataUrl(args.mdsToken),
  };
}

const MUTABLE_IGNORED = "--mutable: ignored: the pod manifest does not say so";

/** rkt's own images begin no app of a mutable pod either: `rkt app start` does. */
function checkNumberOfApps(pod: Pod): void {
  const isEmpty = pod.apps.length === 0;
  if (isEmpty && !isMutable(pod)) throw new Error("apps: the pod has none, and gets none later");
  if (!isEmpty && isMutable(pod)) {
    throw new Error("apps: a mutable pod begins without: `rkt app add` adds them");
  }
}

/** Completes a plan by what the plugins of the pod's networks found out. */
export function withNetwork<T extends PodPlan>(
  plan: T,
  findings: NetworkFindings,
): T {
  return { ...plan, apps: plan.apps.map((app) => appWithNetwork(app, plan.mdsToken, findings)) };
}

/** Completes the plan of one app by what the plugins of the pod's networks found out. */
export function appWithNetwork(
  app: AppPlan,
  mdsToken: string,
  { hostIP, hasResolvConf }: NetworkFindings,
): AppPlan {
  const url = metadataUrl(mdsToken, hostIP);
  return {
    ...app,
    environment: url === undefined
      ? app.environment
      : new Map([...app.environment, ["AC_METADATA_URL", url]]),
    mounts: hasResolvConf ? [...app.mounts, networkResolvConf(app.noDevices)] : app.mounts,
  };
}

/**
 * A pod in the host's network has its ports there; the ports of other pods are forwarded to them.
 */
function planNetwork(
  pod: Pod,
  { net, localConfig }: RunArguments,
  flavor: Flavor,
  { networkFiles, bandwidth }: HostFacts & Pick<NetworkRequest, "bandwidth">,
): { plan: NetworkPlan; notes: string[] } {
  if (flavor === "host") return { plan: { kind: "host", notes: [] }, notes: tellIgnoredPorts(pod) };
  const { mappings, notes } = settingUpNetwork(() => planForwardedPorts(pod));
  const directory = networkDirectory(localConfig);
  const plan = settingUpNetwork(() =>
    planNetworks({ net, directory, files: networkFiles, ports: mappings, bandwidth })
  );
  if (plan.kind === "host") return { plan, notes: tellIgnoredPorts(pod) };
  return { plan, notes: [...notes, ...plan.notes] };
}

/** What the cgroups of a pod are decided from. */
interface CgroupRequest {
  ofPod: Isolators;
  ofApps: readonly Isolators[];
  apps: readonly AppPlan[];
  facts: HostFacts;
}

/** The part of a plan that tells of its cgroups. */
type CgroupsOfPod =
  | Pick<SingleAppPlan, "runBecomes" | "cgroups">
  | Pick<SupervisedPlan, "runBecomes" | "cgroups" | "isMutable">;

function planCgroups(
  pod: Pod,
  uuid: string,
  flavor: Flavor,
  { ofPod, ofApps, apps, facts }: CgroupRequest,
): { plan: CgroupsOfPod; notes: string[] } {
  if (runBecomesApp(pod, flavor)) {
    const { cgroups, notes } = planOwnCgroups(uuid, ofApps[0]!, ofPod, facts);
    return { plan: { runBecomes: "app", cgroups }, notes };
  }
  const { cgroups, notes } = planPodCgroups({
    uuid,
    pod: ofPod,
    apps: apps.map(({ name, devices }, i) => ({ name, devices, isolators: ofApps[i]! })),
    host: facts,
    processes: flavor === "isolated" ? PROCESS_LIMIT : undefined,
    showsCgroups: flavor === "isolated",
    isMutable: isMutable(pod),
  });
  return { plan: { runBecomes: "supervisor", isMutable: isMutable(pod), cgroups }, notes };
}

/** Adds to an app's mounts the cgroups that are made for it. */
export function appWithCgroups(app: AppPlan, cgroups: readonly PodCgroupPlan[]): AppPlan {
  const ofApp = cgroups.flatMap(({ apps, ...hierarchy }) =>
    apps.filter((it) => it.app === app.name).map(({ path }) => ({ ...hierarchy, path }))
  );
  return { ...app, mounts: withCgroups(app.mounts, ofApp) };
}

/**
 * Programs learn from pid 1's bounding set what a pod may have. Of a pod that has no apps yet,
 * nobody knows.
 */
function unionOfCapabilities(apps: readonly AppPlan[]): Capability[] | undefined {
  if (apps.length === 0) return undefined;
  const sets = apps.map(({ isolators }) => isolators.privileges.capabilities?.keep);
  if (sets.includes(undefined)) return undefined;
  return [...new Set(sets.flatMap((set) => set ?? []))];
}

function unique(notes: readonly string[]): string[] {
  return [...new Set(notes)];
}
