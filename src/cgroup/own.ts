/**
 * Making and joining the cgroups of a pod whose only app `run` becomes: one in each hierarchy that
 * its isolators need.
 *
 * @module
 */

import { enableControllers, joinCgroup, makeCgroup, setLimit } from "../linux/cgroup.ts";
import { failedWith } from "../linux/errno.ts";
import { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import type { CgroupLimit, CgroupPlan } from "../plan/cgroup/placement.ts";
import { describeCgroup } from "../plan/describe_steps.ts";
import { withContext } from "../stage1/context.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";

/** Open cgroups by their paths, for when the host's file systems are out of sight. */
export type CgroupDirectories = ReadonlyMap<string, Fd>;

/**
 * Opens the cgroups that {@linkcode enterOwnCgroups} needs. It makes none yet.
 *
 * @throws {Error} which names the cgroup of the host's that is gone, or out of sight.
 */
export function openOwnCgroups(plans: readonly CgroupPlan[]): CgroupDirectories {
  const paths = plans.flatMap(({ parent, enable }) => [
    parent,
    ...enable.map(({ directory }) => directory),
  ]);
  const open = (path: string) =>
    withContext(`cgroup ${path}`, () => openFile(path, O_PATH | O_DIRECTORY));
  return new Map([...new Set(paths)].map((path) => [path, open(path)]));
}

/**
 * Makes the pod's cgroups, moves this process into them, and limits them.
 *
 * This comes late, when this process has done its own work, so that little of that work counts as
 * the app's, but before the process gives up its privileges. It moves before it limits: in version
 * 2 the cgroup that it leaves may have to be empty before the limits can exist.
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
 * Writes a limit of a cgroup.
 *
 * @returns The note that it could not be written, and why; otherwise nothing.
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

/** Formats the note on an isolator that could not be enforced. */
export function notEnforced(isolator: string, what: string, error: unknown): string {
  return `${isolator}: not enforced: ${what}: ${describeError(error)}`;
}
