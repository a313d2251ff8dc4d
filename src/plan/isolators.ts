/**
 * What the isolators of an app and of its pod come to for the app's processes. Their cgroups are the pod's matter.
 *
 * @module
 */

import type { Isolators } from "../appc/isolators.ts";
import type { Flavor } from "../stage1/flavor.ts";
import { type OomScorePlan, planOomScore } from "./cgroup/resources.ts";
import { tellIgnored } from "./fields.ts";
import { planPrivileges, type PrivilegePlan } from "./process/privileges.ts";
import { type LabelPlan, planLabels, type SecurityModules } from "./process/security_label.ts";

/** What an app's processes get of the isolators. */
export interface IsolatorPlan {
  privileges: PrivilegePlan;
  oomScore: OomScorePlan | undefined;
  labels: LabelPlan;
}

/** What decides about isolators beside the manifests. */
export interface IsolatorOptions {
  flavor: Flavor;
  /** `--disable-capabilities-restriction`. */
  disableCapabilities: boolean;
  /** `--disable-seccomp`. */
  disableSeccomp: boolean;
}

/**
 * Decides what the isolators of an app and of its pod come to.
 *
 * @returns The plan; and what has no effect, and why: one line each.
 * @throws {Error} which names the isolator that is wrong or cannot be had.
 */
export function planIsolators(
  ofApp: Isolators,
  ofPod: Isolators,
  options: IsolatorOptions,
  modules: SecurityModules,
): { plan: IsolatorPlan; notes: string[] } {
  // In the host's namespaces an app without a word about privileges keeps them all.
  const restrictByDefault = options.flavor === "isolated";
  const privileges = planPrivileges(ofApp, { ...options, restrictByDefault });
  const labels = planLabels(ofApp, ofPod, modules);
  return {
    plan: { privileges, labels, oomScore: planOomScore(ofApp, ofPod) },
    notes: [...privileges.ignored, ...labels.notes],
  };
}

/** Says which isolators nobody knows: one line each. */
export function notesOnUnknownIsolators({ unknown }: Isolators): string[] {
  return unknown.map(({ field, name }) => tellIgnored("unknown isolators", `${field} (${name})`));
}
