/**
 * All that is decided about a pod that `run` stays with, before any of it is made.
 *
 * @module
 */

import type { Capability } from "../linux/capabilities.ts";
import { Fd } from "../linux/fd.ts";
import type { NamespaceKind } from "../linux/namespaces.ts";
import { isTerminal } from "../linux/terminal.ts";
import { type AppOptions, type AppPlan, planApp, planPodMasks } from "../plan/app.ts";
import type { IdRange } from "../plan/id_range.ts";
import { planPod, type PodPlan } from "../plan/pod.ts";
import type { Mask } from "../plan/rootfs/masked_paths.ts";
import { type CallerStream, planStdio, type StdioPlan } from "../plan/stdio.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { Pod } from "../stage1/pod.ts";
import { metadataUrl } from "../stage1/runtime_config.ts";
import { isPassable } from "../stream/relay.ts";
import type { NamespacePlan } from "./namespaces.ts";
import type { PodNetwork } from "./network.ts";
import { noteForeignFiles, type PodUsers } from "./user_namespace.ts";

/** What is made before anything is decided about the apps. */
export interface Ground {
  network: PodNetwork;
  users: PodUsers | undefined;
}

/** How such a pod is run. */
export interface SupervisedPlan {
  apps: AppPlan[];
  /** What the pod has beside its apps. */
  pod: PodPlan;
  /** Its own namespaces, unless it is in the host's. */
  namespaces: NamespacePlan | undefined;
  /** What is done about the kernel's paths in the pod's own /proc and /sys. */
  masks: Mask[];
  /** What each app's standard streams are, by its name. */
  stdio: Map<string, StdioPlan>;
  /** What has no effect, and why: one line each. */
  notes: string[];
}

/**
 * Decides how a pod is run.
 *
 * @param sources Keeps what volumes are found to be open.
 * @throws {Error} which names the field that is wrong.
 */
export function planSupervised(
  pod: Pod,
  args: RunArguments,
  flavor: Flavor,
  ground: Ground,
  sources: VolumeSources,
): SupervisedPlan {
  const { network, users } = ground;
  const hostname = flavor === "isolated" ? args.hostname || `rkt-${args.uuid}` : undefined;
  const ids = users?.ids;
  const apps = planApps(pod, args, { flavor, hostname, network, ids, sources });
  const namespaces = hostname === undefined
    ? undefined
    : planNamespaces(args, hostname, ground, apps);
  const podPlan = planPod(pod, apps, kindsOf(namespaces));
  return {
    apps,
    pod: podPlan,
    namespaces,
    masks: planPodMasks(pod, {
      flavor,
      hasNetwork: network.namespace !== undefined,
      disablePaths: args.disablePaths,
    }),
    stdio: planStreams(pod, args, flavor),
    notes: [
      ...network.notes,
      ...podPlan.notes,
      ...apps.flatMap((app) => [...app.ignored, ...(users ? noteForeignFiles(app) : [])]),
    ],
  };
}

/** What all apps of a pod have in common. */
interface Surroundings {
  flavor: Flavor;
  hostname: string | undefined;
  network: PodNetwork;
  ids: IdRange | undefined;
  sources: VolumeSources;
}

function planApps(
  pod: Pod,
  args: RunArguments,
  { flavor, hostname, network, ids, sources }: Surroundings,
): AppPlan[] {
  const dns = network.hasResolvConf ? { ...args.dns, resolv: "stage0" as const } : args.dns;
  const options: AppOptions = {
    flavor,
    hasNetwork: network.namespace !== undefined,
    hostname,
    ids,
    dns,
    metadataUrl: metadataUrl(args.mdsToken, network.hostIP),
    disablePaths: args.disablePaths,
    disableCapabilities: args.disableCapabilities,
    disableSeccomp: args.disableSeccomp,
  };
  return pod.apps.map((app) => planApp(pod, app, options, sources));
}

/** The only app of a pod in the host's namespaces has the caller's streams, whether `run` stays with it or not. */
function planStreams(
  pod: Pod,
  { interactive }: RunArguments,
  flavor: Flavor,
): Map<string, StdioPlan> {
  const severalApps = pod.apps.length > 1;
  const isCallers = flavor === "host" && !severalApps;
  const callers = { stdin: kindOf(0), stdout: kindOf(1), stderr: kindOf(2) };
  const facts = { interactive, callers, severalApps };
  return new Map(pod.apps.map(({ name, field, runtime: { annotations } }) => [
    name,
    isCallers ? CALLERS : planStdio({ place: field, annotations, ...facts }),
  ]));
}

/** What the caller has as one of its streams. */
function kindOf(stream: number): CallerStream {
  if (isTerminal(stream)) return "terminal";
  return isPassable(new Fd(stream)) ? "pipe" : "file";
}

const CALLERS: StdioPlan = { stdin: "caller", stdout: "caller", stderr: "caller" };

function planNamespaces(
  args: RunArguments,
  hostname: string,
  { network: { namespace }, users }: Ground,
  apps: readonly AppPlan[],
): NamespacePlan {
  return {
    kinds: ["uts", ...(args.ipc === "parent" ? [] : ["ipc" as const]), "cgroup"],
    network: namespace,
    hostname,
    users,
    capabilities: unionOfCapabilities(apps),
  };
}

/** @returns Nothing when an app is not restricted. */
function unionOfCapabilities(apps: readonly AppPlan[]): Capability[] | undefined {
  const sets = apps.map(({ isolators }) => isolators.privileges.capabilities?.keep);
  if (sets.includes(undefined)) return undefined;
  return [...new Set(sets.flatMap((set) => set ?? []))];
}

function kindsOf(plan: NamespacePlan | undefined): NamespaceKind[] {
  return plan ? [...plan.kinds, ...(plan.network ? ["net" as const] : [])] : [];
}
