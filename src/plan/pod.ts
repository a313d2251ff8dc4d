/**
 * What a pod with namespaces of its own has beside its apps: cgroups, and settings of the kernel.
 *
 * @module
 */

import { readIsolators } from "../appc/isolators.ts";
import { readCgroups } from "../linux/cgroup.ts";
import type { NamespaceKind } from "../linux/namespaces.ts";
import type { Pod } from "../stage1/pod.ts";
import type { AppPlan } from "./app.ts";
import { planPodCgroups, type PodCgroupPlan, PROCESS_LIMIT } from "./cgroup/pod_cgroups.ts";
import { lookAtBlockDevices, unenforceable } from "./cgroup/resources.ts";
import { planSettings, type SettingStep } from "./sysctl.ts";

/** All that is made for the pod itself. */
export interface PodPlan {
  cgroups: PodCgroupPlan[];
  /** To be written in the pod's namespaces. */
  settings: SettingStep[];
  /** What has no effect, or not the whole one, and why: one line each. */
  notes: string[];
}

/**
 * Decides what a pod has beside its apps.
 *
 * Looks at the host's cgroups, and changes nothing.
 *
 * @param namespaces Those that the pod has for itself.
 * @throws {Error} which names the isolator that is wrong or cannot be had.
 */
export function planPod(
  { manifest }: Pod,
  apps: readonly AppPlan[],
  namespaces: readonly NamespaceKind[],
): PodPlan {
  const ofPod = readIsolators(manifest.isolators, "isolators");
  const ofApps = apps.map(({ isolators }) => isolators.asked);
  const host = {
    cgroups: readCgroups(),
    blockDevices: lookAtBlockDevices([ofPod, ...ofApps]),
  };
  const notes: string[] = [];
  const resources = apps.map(({ name, isolators, devices }) => ({
    name,
    isolators: isolators.asked,
    devices,
  }));
  const processes = namespaces.length > 0 ? PROCESS_LIMIT : undefined;
  const cgroups = planPodCgroups(ofPod, resources, host, processes, notes);
  const settings = planSettings(ofPod, ofApps, namespaces);
  return {
    cgroups,
    settings,
    notes: [...new Set([...notes, ...unenforceable(ofPod, "isolated")])],
  };
}
