/**
 * The cgroups of a pod whose only app `run` becomes: one in each hierarchy that its isolators need.
 *
 * @module
 */

import { enableControllers, joinCgroup, makeCgroup, setLimit } from "../linux/cgroup.ts";
import { failedWith } from "../linux/errno.ts";
import { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import type { CgroupLimit, CgroupPlan } from "../plan/cgroup/placement.ts";
import { describeCgroup } from "../plan/describe.ts";
import { withContext } from "../stage1/context.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";

/** Cgroups by their paths, still open when the host's file systems are out of sight. */
export type CgroupDirectories = ReadonlyMap<string, Fd>;

/**
 * Opens what {@linkcode enterOwnCgroups} needs. Nothing is made yet.
 *
 * @throws {SyscallError} when a cgroup of the host's is not there any more.
 */
export function openOwnCgroups(plans: readonly CgroupPlan[]): CgroupDirectories {
  const paths = plans.flatMap(({ parent, enable }) => [
    parent,
    ...enable.map(({ directory }) => directory),
  ]);
  const open = (path: string) => openFile(path, O_PATH | O_DIRECTORY);
  return new Map([...new Set(paths)].map((path) => [path, open(path)]));
}

/**
 * Makes the pod's cgroups, moves this process into them, and limits them.
 *
 * That comes late, when this process has done its own work, so that little of that counts as the app's; but before it
 * gives up its privileges. It enters before it limits, because in version 2 the cgroup that it leaves may have to be
 * empty before the limits can exist.
 *
 * @returns What could not be enforced, and why: one line each.
 */
export function enterOwnCgroups(
  plans: readonly CgroupPlan[],
  directories: CgroupDirectories,
  debug: Debug,
): string[] {
  plans.flatMap(describeCgroup).forEach(debug);
  return plans.flatMap((plan) => enterOne(plan, directories));
}

function enterOne(plan: CgroupPlan, directories: CgroupDirectories): string[] {
  try {
    using cgroup = makeCgroup(directories.get(plan.parent)!, nameOf(plan.path));
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
    return [...isolators].map((isolator) => notEnforced(isolator, `cgroup ${plan.path}`, error));
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * Limits a cgroup.
 *
 * @returns What could not be, and why: one line each.
 */
export function writeLimit(cgroup: Fd, { file, value, optional, isolator }: CgroupLimit): string[] {
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
