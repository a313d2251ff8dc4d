/**
 * The cgroups of a pod that `run` supervises: making them, and having the pod's processes begin in
 * them.
 *
 * The pod's cgroup is made first. Pid 1 makes the cgroup namespace in it, so that the pod sees it
 * as the root of each hierarchy. In version 2, pid 1 must have left the pod's cgroup before that
 * can give controllers to the apps' cgroups, which are therefore made second.
 *
 * @module
 */

import { restrictDevices } from "../linux/bpf.ts";
import type { CallScript } from "../linux/call_script.ts";
import { enableControllers, joinCgroup, makeCgroup, openProcs } from "../linux/cgroup.ts";
import { cgroupPathOf } from "../linux/cgroup_paths.ts";
import type { DeviceRule } from "../linux/device_rule.ts";
import { AT_FDCWD, type Fd } from "../linux/fd.ts";
import { MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT } from "../linux/mount.ts";
import { readMounts } from "../linux/mount_table.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { appCgroupName, FIRST_PROCESS_CGROUP } from "../plan/cgroup/names.ts";
import {
  type AppCgroupPlan,
  DEVICE_RULES,
  type PodCgroupPlan,
} from "../plan/cgroup/pod_cgroups.ts";
import { describeAppCgroups, describeCgroup } from "../plan/describe.ts";
import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";
import { notEnforced, writeLimit } from "./own.ts";
import { killCgroup } from "./remove.ts";

/** The pod's cgroup in one hierarchy. */
interface Branch {
  plan: PodCgroupPlan;
  /** The pod's cgroup. */
  directory: Fd;
  /** Its `cgroup.procs` or `tasks`: a process that joins it writes to this file. */
  procsFd: Fd;
  /** The same file of the cgroup that pid 1 stays in, where that is another one. */
  ofFirst: Fd | undefined;
}

/** The pod's cgroups, as far as the host lets them be made. */
export interface PodCgroups {
  branches: readonly Branch[];
  /** What could not be enforced, and why: one line each. */
  notes: string[];
}

/** Where cgroup file systems are mounted. */
const MOUNT_POINT = "/sys/fs/cgroup";
const VIEW = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;

/**
 * Returns the paths of the cgroups that {@linkcode makePodCgroups} makes: the pod's, and that of
 * `run` where it has to move.
 */
export function pathsOfCgroups(plans: readonly PodCgroupPlan[]): string[] {
  return plans.flatMap(({ path, moveSelfOut }) => moveSelfOut ? [path, moveSelfOut] : [path]);
}

/**
 * Makes the pod's cgroups, and limits them. What the host does not allow is left out, and noted.
 */
export function makePodCgroups(plans: readonly PodCgroupPlan[], debug: Debug): PodCgroups {
  plans.flatMap(describeCgroup).forEach(debug);
  const notes: string[] = [];
  const branches = plans
    .map((plan) => attempt(plan, notes, debug, () => makeBranch(plan, notes)))
    .filter((branch) => branch !== undefined);
  return { branches, notes };
}

/**
 * Makes the apps' cgroups in the pod's, and limits them. Pid 1 has to be in the cgroup that it
 * stays in. What could not be enforced is added to the notes.
 *
 * @returns By the app's name, the files that a process writes to in order to join the app's
 * cgroups.
 */
export function makeAppCgroups({ branches, notes }: PodCgroups, debug: Debug): Map<string, Fd[]> {
  const procsFd = new Map<string, Fd[]>();
  for (const { plan, directory } of branches) {
    describeAppCgroups(plan).forEach(debug);
    attempt(plan, notes, debug, () => {
      if (plan.controllers.length > 0) enableControllers(directory, plan.controllers);
    });
    for (const app of plan.apps) {
      const made = attempt(
        plan,
        notes,
        debug,
        () => makeAppCgroup(directory, plan.version, app, notes),
      );
      if (made) procsFd.set(app.app, [...procsFd.get(app.app) ?? [], made]);
    }
  }
  return procsFd;
}

/** The cgroups of the pod's first process, as files that it writes to in order to join them. */
export interface FirstProcessCgroups {
  /** Where it makes the cgroup namespace. */
  begin: Fd[];
  /** Where it stays, if that is another cgroup. */
  stay: Fd[];
}

/** Returns the cgroups that the pod's first process joins. */
export function firstProcessCgroups({ branches }: PodCgroups): FirstProcessCgroups {
  return {
    begin: branches.map(({ procsFd }) => procsFd),
    stay: branches.map(({ ofFirst }) => ofFirst).filter((fd) => fd !== undefined),
  };
}

/**
 * Kills all processes of an app. If no hierarchy of the pod tracks them, nothing happens.
 *
 * @throws {SyscallError} when the kernel refuses to show or kill them.
 */
export function killApp({ branches }: PodCgroups, app: string, debug: Debug): void {
  const tracker = branches.find(({ plan }) => plan.isTrackingHierarchy);
  const cgroup = tracker?.plan.apps.find((plan) => plan.app === app);
  if (cgroup) killCgroup(cgroup.path, debug);
}

/**
 * Records the mounts that show the pod's cgroups, read-only, in a root that has a /sys. They are
 * for a process in the pod's cgroup namespace, and look as on a host: one directory for each
 * hierarchy of version 1.
 *
 * They only show the cgroups: the pod runs also where the kernel refuses one of them.
 */
export function recordCgroupMounts(
  plans: readonly PodCgroupPlan[],
  script: Pick<CallScript, "try">,
): void {
  const mount = (type: string, target: string, options: string | null) =>
    script.try("mount", type, target, type, VIEW, options);
  if (plans.every(({ version }) => version === 2)) {
    if (plans.length > 0) mount("cgroup2", MOUNT_POINT, null);
    return;
  }
  const flags = VIEW & ~MS_RDONLY;
  script.try("mount", "tmpfs", MOUNT_POINT, "tmpfs", flags, "mode=755,size=64k");
  for (const { version, mountOptions } of plans) {
    const name = version === 2 ? "unified" : mountOptions.join(",").replace("name=", "");
    const target = `${MOUNT_POINT}/${name}`;
    script.try("mkdirat", AT_FDCWD, target, 0o755);
    mount(version === 2 ? "cgroup2" : "cgroup", target, mountOptions.join(",") || null);
    for (const alias of mountOptions.length > 1 ? mountOptions : []) {
      script.try("symlinkat", name, AT_FDCWD, `${MOUNT_POINT}/${alias}`);
    }
  }
  script.try("mount", null, MOUNT_POINT, null, VIEW | MS_REMOUNT | MS_BIND, null);
}

/**
 * Returns the kernel's path of the pod's cgroup in the hierarchy that tracks its processes.
 *
 * @returns `undefined` where there is no such hierarchy.
 * @throws {SyscallError} when the mount table cannot be read.
 */
export function trackedCgroup({ branches }: PodCgroups): string | undefined {
  const tracker = branches.find(({ plan }) => plan.isTrackingHierarchy);
  return tracker && cgroupPathOf(tracker.plan.path, readMounts());
}

function makeBranch(plan: PodCgroupPlan, notes: string[]): Branch {
  const directory = makeCgroupAt(plan.path);
  if (plan.moveSelfOut !== undefined) {
    using own = makeCgroupAt(plan.moveSelfOut);
    joinCgroup(own);
  }
  enableAbove(plan, notes);
  for (const limit of plan.limits) notes.push(...writeLimit(directory, limit));
  return {
    plan,
    directory,
    procsFd: openProcs(directory, plan.version),
    ofFirst: plan.version === 2 ? makeLeaf(directory, FIRST_PROCESS_CGROUP) : undefined,
  };
}

/**
 * Without the controllers the limits cannot be written, and each of them is noted. The rest is
 * still made.
 */
function enableAbove({ enable }: PodCgroupPlan, notes: string[]): void {
  for (const step of enable) {
    try {
      using directory = openFile(step.directory, O_PATH | O_DIRECTORY);
      enableControllers(directory, step.controllers);
    } catch (error) {
      const what = `${step.controllers.join(", ")} for cgroups in ${step.directory}`;
      notes.push(`${what}: ${describeError(error)}`);
    }
  }
}

function makeAppCgroup(
  pod: Fd,
  version: 1 | 2,
  { app, limits, devices }: AppCgroupPlan,
  notes: string[],
): Fd {
  using directory = makeCgroup(pod, appCgroupName(app));
  for (const limit of limits) notes.push(...writeLimit(directory, limit));
  if (devices) notes.push(...restrict(directory, devices));
  return openProcs(directory, version);
}

function restrict(directory: Fd, devices: readonly DeviceRule[]): string[] {
  try {
    restrictDevices(directory, devices);
    return [];
  } catch (error) {
    return [notEnforced(DEVICE_RULES, "a program for the app's cgroup", error)];
  }
}

/**
 * Does what a host may not allow: the pod then runs without it, and each isolator is noted as not
 * enforced.
 */
function attempt<T>(
  plan: PodCgroupPlan,
  notes: string[],
  debug: Debug,
  act: () => T,
): T | undefined {
  try {
    return act();
  } catch (error) {
    const what = `cgroup in ${plan.parent}`;
    debug(`${what}: ${describeError(error)}`);
    const limits = [plan.limits, ...plan.apps.map(({ limits }) => limits)].flat();
    const isolators = new Set(limits.map(({ isolator }) => isolator));
    if (plan.apps.some(({ devices }) => devices)) isolators.add(DEVICE_RULES);
    notes.push(...[...isolators].map((isolator) => notEnforced(isolator, what, error)));
    return undefined;
  }
}

/** @param path Absolute; its parent has to be there. */
function makeCgroupAt(path: string): Fd {
  const slash = path.lastIndexOf("/");
  using parent = openFile(path.slice(0, slash), O_PATH | O_DIRECTORY);
  return makeCgroup(parent, path.slice(slash + 1));
}

function makeLeaf(parent: Fd, name: string): Fd {
  using directory = makeCgroup(parent, name);
  return openProcs(directory, 2);
}
