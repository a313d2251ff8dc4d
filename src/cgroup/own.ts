/**
 * The cgroups of a pod in the host's namespaces: one in each hierarchy that its isolators need.
 *
 * @module
 */

import { enableControllers, joinCgroup, makeCgroup, setLimit } from "../linux/cgroup.ts";
import { failedWith } from "../linux/errno.ts";
import { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { podCgroupName } from "../plan/cgroup/names.ts";
import type { CgroupPlan, Limit } from "../plan/cgroup/placement.ts";
import { describeResources, type ResourcePlan } from "../plan/cgroup/resources.ts";
import { withContext } from "../stage1/context.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";

/** The way to a pod's cgroups, still open when the host's file systems are out of sight. */
export interface CgroupAccess {
  plan: ResourcePlan;
  /** Directories of the plan, by path. */
  directories: ReadonlyMap<string, Fd>;
}

/**
 * Opens what {@linkcode enterPodCgroups} needs. Nothing is made yet.
 *
 * @throws {SyscallError}
 */
export function openPodCgroups(plan: ResourcePlan): CgroupAccess {
  const paths = plan.cgroups.flatMap(({ parent, enable }) => [
    parent,
    ...enable.map(({ directory }) => directory),
  ]);
  const open = (path: string) => openFile(path, O_PATH | O_DIRECTORY);
  return { plan, directories: new Map([...new Set(paths)].map((path) => [path, open(path)])) };
}

/**
 * Makes the pod's cgroups, moves this process into them, and limits them.
 *
 * That comes late, when this process has done its own work, so that little of it counts as the app's; but
 * before it gives up its privileges. It enters before it limits, because in version 2 the cgroup that it
 * leaves may have to be empty before the limits can exist.
 *
 * @param uuid The pod's.
 * @returns What could not be enforced, and why: one line each.
 */
export function enterPodCgroups(access: CgroupAccess, uuid: string, debug: Debug): string[] {
  const name = podCgroupName(uuid);
  describeResources({ ...access.plan, oomScoreAdj: undefined }, name).forEach(debug);
  return access.plan.cgroups.flatMap((plan) => enterOne(plan, access, name));
}

function enterOne(plan: CgroupPlan, { directories }: CgroupAccess, name: string): string[] {
  try {
    using cgroup = makeCgroup(directories.get(plan.parent)!, name);
    joinCgroup(cgroup);
    for (const { directory, controllers } of plan.enable) {
      withContext(
        `${controllers.join(", ")} for cgroups in ${directory}`,
        () => enableControllers(directories.get(directory)!, controllers),
      );
    }
    return plan.limits.flatMap((limit) => writeLimit(cgroup, limit));
  } catch (error) {
    const isolators = new Set(plan.limits.map(({ isolator }) => isolator));
    return [...isolators].map((isolator) =>
      notEnforced(isolator, `cgroup ${plan.parent}/${name}`, error)
    );
  }
}

/**
 * Limits a cgroup.
 *
 * @returns What could not be, and why: one line each.
 */
export function writeLimit(cgroup: Fd, { file, value, optional, isolator }: Limit): string[] {
  try {
    setLimit(cgroup, file, value);
    return [];
  } catch (error) {
    if (optional && failedWith(error, "ENOENT")) return [];
    return [notEnforced(isolator, `${file} = ${value}`, error)];
  }
}

/** The line that tells of it. */
export function notEnforced(isolator: string, what: string, error: unknown): string {
  return `${isolator}: not enforced: ${what}: ${describeError(error)}`;
}
