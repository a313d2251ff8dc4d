/**
 * The cgroups of a pod whose only app `run` becomes. In each hierarchy that an isolator needs,
 * `run` makes a cgroup and moves into it. The pod's isolators bound the app's, so the smaller
 * number holds.
 *
 * @module
 */

import type { Isolators } from "../../appc/isolators.ts";
import { podCgroupName } from "./names.ts";
import { type CgroupPlan, placeSettings } from "./placement.ts";
import { type HostResources, planResourceSettings } from "./resources.ts";

/**
 * Decides which cgroups `run` joins before it becomes the app.
 *
 * @param uuid The pod's UUID.
 * @param app The isolators of the app.
 * @param pod The isolators of the pod.
 * @returns The cgroups, and notes on what cannot be enforced, or not as the manifest says, and why:
 * one line each.
 * @throws {Error} when a limit would leave the app nothing to run with.
 */
export function planOwnCgroups(
  uuid: string,
  app: Isolators,
  pod: Isolators,
  host: HostResources,
): { cgroups: CgroupPlan[]; notes: string[] } {
  const { settings, notes } = planResourceSettings(app, pod, host.blockDevices);
  const placed = placeSettings(settings, host.cgroups, podCgroupName(uuid));
  // An isolator whose limit and request are in different files may have the same note twice.
  return { cgroups: placed.cgroups, notes: [...new Set([...notes, ...placed.notes])] };
}
