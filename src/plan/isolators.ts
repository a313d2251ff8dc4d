/**
 * What the isolators of an app and of its pod mean for the app's processes. Their cgroups are
 * planned for the whole pod.
 *
 * @module
 */

import { type Isolators, readIsolators } from "../appc/isolators.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { Pod, PodApp } from "../stage1/pod.ts";
import { type OomScorePlan, planOomScore } from "./cgroup/resources.ts";
import { tellIgnored } from "./fields.ts";
import { planPrivileges, type PrivilegePlan } from "./process/privileges.ts";
import { type LabelPlan, planLabels, type SecurityModules } from "./process/security_label.ts";

/** What isolators do to an app's processes. */
export interface IsolatorPlan {
  privileges: PrivilegePlan;
  oomScore: OomScorePlan | undefined;
  labels: LabelPlan;
}

/** What decides about isolators besides the manifests. */
export interface IsolatorOptions {
  flavor: Flavor;
  /** `--disable-capabilities-restriction`. */
  disableCapabilities: boolean;
  /** `--disable-seccomp`. */
  disableSeccomp: boolean;
}

/**
 * Reads the isolators of an app's manifest.
 *
 * @throws {Error} when one is wrong; the message names its field.
 */
export function isolatorsOfApp({ app, field }: PodApp): Isolators {
  return readIsolators(app.isolators, `${field}.app.isolators`);
}

/**
 * Reads the isolators of a pod's manifest: those that its apps share.
 *
 * @throws {Error} when one is wrong; the message names its field.
 */
export function isolatorsOfPod({ manifest }: Pod): Isolators {
  return readIsolators(manifest.isolators, "isolators");
}

/**
 * Decides what the isolators of an app and of its pod do to the app's processes.
 *
 * @returns The plan, and notes on what has no effect, and why: one line each.
 * @throws {Error} when an isolator is wrong or impossible on this host; the message names it.
 */
export function planIsolators(
  ofApp: Isolators,
  ofPod: Isolators,
  options: IsolatorOptions,
  modules: SecurityModules,
): { plan: IsolatorPlan; notes: string[] } {
  // In the host's namespaces, an app whose manifest does not mention privileges keeps them all.
  const restrictByDefault = options.flavor === "isolated";
  const privileges = planPrivileges(ofApp, { ...options, restrictByDefault });
  const labels = planLabels(ofApp, ofPod, modules);
  return {
    plan: { privileges, labels, oomScore: planOomScore(ofApp, ofPod) },
    notes: [...privileges.ignored, ...labels.notes],
  };
}

/** Notes isolators that the spec does not know: one line each. */
export function notesOnUnknownIsolators({ unknown }: Isolators): string[] {
  return unknown.map(({ field, name }) => tellIgnored("unknown isolators", `${field} (${name})`));
}
