/**
 * What the isolators of an app and of its pod come to on this host.
 *
 * @module
 */

import { type Isolators, readIsolators } from "../appc/isolators.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { Pod, PodApp } from "../stage1/pod.ts";
import {
  lookAtResources,
  planOomScore,
  planResources,
  type ResourcePlan,
} from "./cgroup/resources.ts";
import { tellIgnored } from "./fields.ts";
import { planPrivileges, type PrivilegePlan } from "./process/privileges.ts";
import { type LabelPlan, lookAtSecurityModules, planLabels } from "./process/security_label.ts";
import { readHostSettings, requireSettings } from "./sysctl.ts";

/** All that an app's isolators ask for. */
export interface IsolatorPlan {
  /** The app's own, for the cgroups of a pod that has one for each app. */
  asked: Isolators;
  privileges: PrivilegePlan;
  resources: ResourcePlan;
  labels: LabelPlan;
  /** What has no effect, or not the whole one, and why: one line each. */
  notes: string[];
}

/** What decides about isolators beside the manifests: which ones stage0's user wants passed over, and where. */
export interface IsolatorOptions {
  flavor: Flavor;
  disableCapabilities: boolean;
  disableSeccomp: boolean;
}

/**
 * Decides what the isolators of an app and of its pod come to.
 *
 * Looks at the host as far as they need it, and changes nothing.
 *
 * @throws {Error} which names the isolator that is wrong or cannot be had.
 */
export function planIsolators(
  { manifest }: Pod,
  { app, field }: PodApp,
  options: IsolatorOptions,
): IsolatorPlan {
  const ofApp = readIsolators(app.isolators, `${field}.app.isolators`);
  const ofPod = readIsolators(manifest.isolators, "isolators");
  const levels = [ofApp, ofPod];
  // In the host's namespaces an app without a word about privileges keeps them all.
  const inPod = options.flavor === "isolated";
  const privileges = planPrivileges(ofApp, { ...options, restrictByDefault: inPod });
  const resources = inPod
    ? planOomScore(ofApp, ofPod)
    : planResources(ofApp, ofPod, lookAtResources(levels));
  if (!inPod) {
    for (const isolators of levels) requireSettings(isolators, readHostSettings(isolators));
  }
  const labels = planLabels(ofApp, ofPod, lookAtSecurityModules(levels));
  const unknown = levels.flatMap((isolators) => isolators.unknown).map(({ field, name }) =>
    tellIgnored("unknown isolators", `${field} (${name})`)
  );
  return {
    asked: ofApp,
    privileges,
    resources,
    labels,
    notes: [...unknown, ...privileges.ignored, ...resources.notes, ...labels.notes],
  };
}
