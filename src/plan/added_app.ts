/**
 * The plan of an app that is added to a pod which runs: by the same rules as that of an app from
 * the beginning, from what the pod was started with. What the whole pod shares stays as it is.
 *
 * @module
 */

import type { Flavor } from "../stage1/flavor.ts";
import { findAddedApp, type Pod, type PodApp } from "../stage1/pod.ts";
import type { RecordedRun } from "../stage1/runtime_config.ts";
import { unreadAnnotationsOf } from "./annotations.ts";
import { type AppPlan, planApp } from "./app.ts";
import { planAddedCgroups, type PodCgroupPlan } from "./cgroup/pod_cgroups.ts";
import { tellIgnored } from "./fields.ts";
import { type HostFacts, type HostQuestions, planQuestions } from "./host_facts.ts";
import { isolatorsOfApp, isolatorsOfPod } from "./isolators.ts";
import { notesOnKubernetesPath } from "./kubernetes_log.ts";
import { planNamespaceKinds } from "./namespaces.ts";
import { notesOnAddedTraffic } from "./network/bandwidth.ts";
import { networkKind } from "./network/networks.ts";
import { appOptions, appWithCgroups, appWithNetwork } from "./pod.ts";
import { requireSysctls } from "./sysctl.ts";

/** All that is done to add an app, and to start it later. */
export interface AddedAppPlan {
  app: AppPlan;
  /** The pod's cgroups that are there, and the app's below each. */
  cgroups: PodCgroupPlan[];
  /** What has no effect, or only a part of it, and why: one line each. */
  notes: string[];
}

/**
 * Decides what to look at before an app can be planned that is added.
 *
 * @param name The app's name.
 * @throws {Error} when the pod has no such app, or a field is wrong; the message names it.
 */
export function addedAppQuestions(
  pod: Pod,
  name: string,
  { args }: RecordedRun,
  flavor: Flavor,
): HostQuestions {
  return {
    ...planQuestions(alone(pod, name), args, flavor),
    // The app gets its cgroups where the pod has its own, and the networks are joined.
    needsCgroups: false,
    needsNetworkFiles: false,
    needsBandwidthPlugin: false,
  };
}

/**
 * Decides how an app is added to a pod.
 *
 * Only this app's part of the manifests is looked at: what another one could not be added for is
 * left to that one.
 *
 * @param name The app's name.
 * @param facts Facts of the host; the cgroups are those in which the pod's are, as if the caller
 *   were there.
 * @throws {Error} when the pod has no such app, or a field is wrong; the message names it.
 */
export function planAddedApp(
  pod: Pod,
  name: string,
  { args, network }: RecordedRun,
  flavor: Flavor,
  facts: HostFacts,
): AddedAppPlan {
  const only = alone(pod, name);
  const [app] = only.apps;
  const kinds = planNamespaceKinds(args, flavor);
  const ofPod = isolatorsOfPod(pod);
  const ofApp = isolatorsOfApp(app);
  const isIsolated = flavor === "isolated";
  requireSysctls(ofApp, ofPod, kinds, facts.sysctls);
  const options = {
    ...appOptions(args, flavor, ofPod),
    ...{ isAdded: true, isBecome: false, manager: undefined },
  };
  // The sockets that the pod was given are with the apps that it began with.
  const planned = planApp(only, app, ofApp, options, { ...facts, sockets: [] });
  const { cgroups, notes } = planAddedCgroups({
    uuid: args.uuid,
    pod: ofPod,
    app: { name, devices: planned.plan.devices, isolators: ofApp },
    host: facts,
    showsCgroups: isIsolated,
  });
  return {
    app: appWithNetwork(appWithCgroups(planned.plan, cgroups), args.mdsToken, network),
    cgroups,
    notes: [
      ...new Set([
        ...planned.notes,
        ...notesOnKubernetesPath(only, app, true),
        ...unreadAnnotationsOf(withoutOwnAnnotations(only))
          .map((place) => tellIgnored("unknown annotations", place)),
        ...notes,
        ...notesOnAddedTraffic(ofApp, isIsolated ? networkKind(args.net) : "host"),
      ]),
    ],
  };
}

/** Returns the pod as if it had only one app. */
function alone(pod: Pod, name: string): Pod & { apps: [PodApp] } {
  return { ...pod, apps: [findAddedApp(pod, name)] };
}

/** `run` has told of the pod's own. */
function withoutOwnAnnotations({ manifest, apps }: Pod): Pod {
  return { manifest: { ...manifest, annotations: [] }, apps };
}
