/**
 * The cgroups of a pod: one in each hierarchy that its isolators need, all of one name, which the pod's
 * UUID is part of. So they can be found without anything having been written down, also when `run` was
 * killed half-way.
 *
 * @module
 */

import type { CgroupPlan, Limit } from "../app/cgroup_plan.ts";
import { describeResources, type ResourcePlan } from "../app/resources.ts";
import {
  enableControllers,
  findCgroups,
  joinCgroup,
  listMembers,
  makeCgroup,
  removeCgroup,
  setLimit,
} from "../linux/cgroup.ts";
import { failedWith } from "../linux/errno.ts";
import { Fd, O_DIRECTORY, O_PATH, openFile } from "../linux/file.ts";
import { openProcess, SIGKILL, signalProcess } from "../linux/process.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { naming } from "../stage1/naming.ts";
import type { Trace } from "./trace.ts";

/** The way to a pod's cgroups, still open when the host's file systems are out of sight. */
export interface CgroupAccess {
  plan: ResourcePlan;
  /** Directories of the plan, by path. */
  directories: ReadonlyMap<string, Fd>;
}

/** Processes that are killed end on their own time: how often, and after how long, to look again. */
const PATIENCE = { attempts: 100, milliseconds: 20 };

/**
 * What the cgroups of a pod are called.
 *
 * @param uuid In its usual form.
 */
export function podCgroupName(uuid: string): string {
  return `volo-${uuid}`;
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
export function enterPodCgroups(access: CgroupAccess, uuid: string, trace: Trace): string[] {
  const name = podCgroupName(uuid);
  describeResources({ ...access.plan, oomScoreAdj: undefined }, name).forEach(trace);
  return access.plan.cgroups.flatMap((plan) => enterOne(plan, access, name));
}

/**
 * Removes the pod's cgroups, and ends what is still in them. There being none is fine.
 *
 * @param uuid The pod's.
 * @throws {Error} when a process in there does not end.
 */
export function removePodCgroup(uuid: string, trace: Trace): void {
  for (const directory of findCgroups(podCgroupName(uuid))) {
    trace(`remove cgroup ${directory}`);
    naming(directory, () => removeWithMembers(directory, trace));
  }
}

function enterOne(plan: CgroupPlan, { directories }: CgroupAccess, name: string): string[] {
  try {
    using cgroup = makeCgroup(directories.get(plan.parent)!, name);
    joinCgroup(cgroup);
    for (const { directory, controllers } of plan.enable) {
      naming(
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

function writeLimit(cgroup: Fd, { file, value, optional, isolator }: Limit): string[] {
  try {
    setLimit(cgroup, file, value);
    return [];
  } catch (error) {
    if (optional && failedWith(error, "ENOENT")) return [];
    return [notEnforced(isolator, `${file} = ${value}`, error)];
  }
}

function notEnforced(isolator: string, what: string, error: unknown): string {
  return `${isolator}: not enforced: ${what}: ${describeError(error)}`;
}

function removeWithMembers(directory: string, trace: Trace): void {
  for (let attempt = 0; attempt < PATIENCE.attempts; attempt++) {
    if (removeCgroup(directory)) return;
    listMembers(directory).forEach((pid) => killMember(pid, directory, trace));
    wait(PATIENCE.milliseconds);
  }
  throw new Error(`still has processes: ${listMembers(directory).join(", ")}`);
}

/** Held first and looked for again then, so that a number which changed hands meanwhile is left alone. */
function killMember(pid: number, directory: string, trace: Trace): void {
  using process = openProcess(pid);
  if (process === undefined || !listMembers(directory).includes(pid)) return;
  trace(`kill ${pid}`);
  signalProcess(process, SIGKILL);
}

/** There is nothing else that this program could do meanwhile. */
function wait(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
