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
import {
  cloneCgroup,
  enableControllers,
  joinCgroup,
  makeCgroup,
  openProcs,
  setLimit,
} from "../linux/cgroup.ts";
import { cgroupPathOf } from "../linux/cgroup_paths.ts";
import type { DeviceRule } from "../linux/device_rule.ts";
import type { Fd } from "../linux/fd.ts";
import { readMounts } from "../linux/mount_table.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { readKernelFile } from "../linux/read_write.ts";
import {
  appCgroupName,
  FIRST_PROCESS_CGROUP,
  type Hierarchy,
  hierarchyPath,
} from "../plan/cgroup/names.ts";
import {
  type AppCgroupPlan,
  DEVICE_RULES,
  type PodCgroupPlan,
} from "../plan/cgroup/pod_cgroups.ts";
import { describeAppCgroups, describeCgroup } from "../plan/describe_steps.ts";
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
  /** Those in which the pod was to have cgroups, made or not. */
  hierarchies: readonly Hierarchy[];
  /** What could not be enforced, and why: one line each. */
  notes: string[];
}

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
  return { branches, hierarchies: plans, notes };
}

/** The cgroups of an app. */
export interface AppCgroups {
  /** The open `cgroup.procs` or `tasks` of each: a process that joins it writes to this file. */
  procsFds: Fd[];
  /** Their directories, by their absolute paths. */
  directories: Map<string, Fd>;
}

/** A pod's cgroups, as apps get theirs below them. */
interface StandingCgroups extends Pick<PodCgroups, "notes"> {
  branches: readonly Pick<Branch, "plan" | "directory">[];
}

/**
 * Makes the cgroups of an app that is added to a pod, below those that the pod has.
 *
 * @param plans Those of the app, in the pod's cgroups.
 * @returns Those that could be made; and what could not be enforced, and why: one line each.
 */
export function makeAddedCgroups(
  plans: readonly PodCgroupPlan[],
  debug: Debug,
): { cgroups: AppCgroups; notes: string[] } {
  const notes: string[] = [];
  using opened = new DisposableStack();
  const branches = plans.flatMap((plan) => {
    const open = () => opened.use(openFile(plan.path, O_PATH | O_DIRECTORY));
    const directory = attempt(plan, notes, debug, open);
    return directory ? [{ plan, directory }] : [];
  });
  const [cgroups] = makeAppCgroups({ branches, notes }, debug).values();
  return { cgroups: cgroups ?? { procsFds: [], directories: new Map() }, notes };
}

/**
 * Makes the apps' cgroups in the pod's, and limits them. Pid 1 has to be in the cgroup that it
 * stays in. What could not be enforced is added to the notes.
 *
 * @returns Those that could be made, by the app's name.
 */
export function makeAppCgroups(
  { branches, notes }: StandingCgroups,
  debug: Debug,
): Map<string, AppCgroups> {
  const made = new Map<string, AppCgroups>();
  for (const { plan, directory } of branches) {
    describeAppCgroups(plan).forEach(debug);
    attempt(plan, notes, debug, () => {
      if (plan.controllers.length > 0) enableControllers(directory, plan.controllers);
    });
    for (const app of plan.apps) {
      const cgroups: AppCgroups = made.get(app.app) ?? { procsFds: [], directories: new Map() };
      attempt(plan, notes, debug, () => {
        const cgroup = makeAppCgroup(directory, app, notes);
        cgroups.procsFds.push(openProcs(cgroup, plan.version));
        cgroups.directories.set(app.path, cgroup);
        made.set(app.app, cgroups);
      });
    }
  }
  return made;
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
 * Clones the cgroups that the pod's first process shows in its root: those of the pod's only app,
 * as that app sees them, or in a pod of several those of the pod, with all apps below them. In a
 * mutable pod, apps come later.
 *
 * Call it in the host's mount namespace: the kernel clones no mounts of another one.
 *
 * @returns Trees that are in place nowhere, by where they belong.
 * @throws {SyscallError} when this process may not mount.
 */
export function cloneShownCgroups(
  { branches, hierarchies }: PodCgroups,
  apps: ReadonlyMap<string, AppCgroups>,
): Map<string, Fd> {
  const trees = branches.map(({ plan, directory }) => {
    const [app, ...others] = plan.apps;
    const ofApp = app && apps.get(app.app)?.directories.get(app.path);
    const shown = app && others.length === 0 ? ofApp : directory;
    return [hierarchyPath(plan, hierarchies), shown && cloneCgroup(shown)] as const;
  });
  return new Map(trees.flatMap(([path, tree]) => tree ? [[path, tree]] : []));
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
  inherit(plan, directory);
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

/** The cgroups that are made in this one then have the same values from the beginning. */
function inherit({ parent, inherited }: PodCgroupPlan, directory: Fd): void {
  if (inherited.length === 0) return;
  for (const file of inherited) {
    setLimit(directory, file, readKernelFile(`${parent}/${file}`).trim());
  }
  setLimit(directory, "cgroup.clone_children", "1");
}

function makeAppCgroup(
  pod: Fd,
  { app, limits, devices }: AppCgroupPlan,
  notes: string[],
): Fd {
  const directory = makeCgroup(pod, appCgroupName(app));
  for (const limit of limits) notes.push(...writeLimit(directory, limit));
  if (devices) notes.push(...restrict(directory, devices));
  return directory;
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
