/**
 * Where a pod's cgroups are made, decided before any is made. Pure.
 *
 * In version 1, they are below the caller's own. In version 2, they are as near to it as that
 * version allows.
 *
 * @module
 */

import type { Cgroups, CgroupV1, CgroupV2Level } from "../../linux/cgroup_paths.ts";

/** A value for a file of a cgroup. */
export interface CgroupLimit {
  file: string;
  value: string;
  /** Whether a kernel may lack the file without a note. */
  optional?: true | undefined;
  /** The isolator that asks for it, as messages name it. */
  isolator: string;
}

/** Where a cgroup is made. */
export interface CgroupPlacement {
  /** The absolute path of the cgroup that it is made in. */
  parent: string;
  /**
   * Cgroups, from the top down, that first have to give controllers to their children. Version 2
   * only.
   */
  enable: { directory: string; controllers: string[] }[];
}

/** A cgroup of the pod's in one hierarchy. */
export interface CgroupPlan extends CgroupPlacement {
  /** Its own absolute path. */
  path: string;
  /** In the order in which they are written. */
  limits: CgroupLimit[];
}

/** A file of version 1 or 2, and its value. */
export type CgroupWrite = Omit<CgroupLimit, "isolator">;

/** What one isolator sets, in the files of either version. */
export interface ResourceSetting {
  controller: Controller;
  isolator: string;
  v1: CgroupWrite[];
  v2: CgroupWrite[];
  /**
   * The note on what is not enforced without version 2's memory controller beside its own. Absent
   * if nothing needs that.
   */
  needsMemory?: string;
}

/** Version 2's name of a controller. */
export type Controller = "memory" | "cpu" | "io";

/** Version 1's names of the controllers. */
export const V1_NAMES: Readonly<Record<Controller, string>> = {
  memory: "memory",
  cpu: "cpu",
  io: "blkio",
};

/**
 * Decides which cgroups of one name a pod has, and what each is limited to.
 *
 * Version 1 is preferred where it has a controller: a controller is in one hierarchy only.
 *
 * @param name The name of each cgroup.
 * @returns The cgroups, and notes on what cannot be enforced, and why: one line each.
 */
export function placeSettings(
  settings: readonly ResourceSetting[],
  cgroups: Cgroups,
  name: string,
): { cgroups: CgroupPlan[]; notes: string[] } {
  const plans: Omit<CgroupPlan, "path">[] = [];
  const notes: string[] = [];
  const forV2: ResourceSetting[] = [];
  for (const setting of settings) {
    const hierarchy = findV1(setting, cgroups);
    if (hierarchy === undefined) {
      forV2.push(setting);
      continue;
    }
    addLimits(plans, hierarchy.directory, limitsOf(setting, setting.v1));
    if (setting.needsMemory) notes.push(`${setting.isolator}: ${setting.needsMemory}`);
  }
  const inV2 = placeInV2(forV2, cgroups.v2);
  return {
    cgroups: [...plans, ...inV2.plans].map((plan) => ({ ...plan, path: `${plan.parent}/${name}` })),
    notes: [...notes, ...inV2.notes],
  };
}

/** Finds the hierarchy of version 1 that has a setting's controller. */
export function findV1({ controller }: ResourceSetting, { v1 }: Cgroups): CgroupV1 | undefined {
  return v1.find(({ controllers }) => controllers.includes(V1_NAMES[controller]));
}

function addLimits(plans: Omit<CgroupPlan, "path">[], parent: string, limits: CgroupLimit[]): void {
  const known = plans.find((plan) => plan.parent === parent);
  if (known) known.limits.push(...limits);
  else plans.push({ parent, enable: [], limits });
}

function placeInV2(settings: readonly ResourceSetting[], levels: readonly CgroupV2Level[]) {
  const { enforced, notes } = chooseEnforceable(settings, levels);
  if (enforced.length === 0) return { plans: [], notes };
  const needed = controllersFor(enforced, levels);
  const limits = enforced.flatMap((setting) => limitsOf(setting, setting.v2));
  const plans = [{ ...findPlace(needed.controllers, levels), limits }];
  return { plans, notes: [...notes, ...needed.notes] };
}

/**
 * Chooses the settings that version 2 can enforce here.
 *
 * @param levels All cgroups on the way to this process's own.
 * @returns The settings, and notes on what cannot be enforced, and why: one line each.
 */
export function chooseEnforceable(
  settings: readonly ResourceSetting[],
  [top]: readonly CgroupV2Level[],
): { enforced: ResourceSetting[]; notes: string[] } {
  const judged = settings.map((setting) => ({ setting, reason: whyNot(setting.controller, top) }));
  return {
    enforced: judged.filter(({ reason }) => reason === undefined).map(({ setting }) => setting),
    notes: judged.filter(({ reason }) => reason !== undefined)
      .map(({ setting, reason }) => `${setting.isolator}: not enforced: ${reason}`),
  };
}

/**
 * Finds the controllers that settings need.
 *
 * @returns The controllers that version 2 has, and notes on what is missing for the others: one
 * line each.
 */
export function controllersFor(
  settings: readonly ResourceSetting[],
  [top]: readonly CgroupV2Level[],
): { controllers: Controller[]; notes: string[] } {
  const counting = settings.filter(({ needsMemory }) => needsMemory);
  const own = settings.map(({ controller }) => controller);
  // The kernel knows whose page it writes back only where the memory controller counts pages.
  const canCount = whyNot("memory", top) === undefined;
  return {
    controllers: [
      ...new Set<Controller>(counting.length > 0 && canCount ? [...own, "memory"] : own),
    ],
    notes: canCount
      ? []
      : counting.map(({ isolator, needsMemory }) => `${isolator}: ${needsMemory}`),
  };
}

/**
 * Finds the cgroup in which the pod's is made: if possible the one that `run` was started in, so
 * that what bounds the caller bounds the pod. That one must have no other process, as in a service
 * of systemd's, because version 2 gives controllers only to children of cgroups without processes
 * of their own. If it has others, as in a login session, the pod's cgroup is made in the nearest
 * cgroup above that can have it, and what bounds that cgroup bounds the pod.
 *
 * @param levels At least one, the first of which can give the controllers.
 */
export function findPlace(
  controllers: readonly Controller[],
  levels: readonly CgroupV2Level[],
): CgroupPlacement {
  const unfit = levels.findIndex((level) => !controllers.every((name) => canEnable(level, name)));
  const way = unfit === -1 ? levels : levels.slice(0, unfit);
  const enable = way
    .map(({ directory, enabled }) => ({
      directory,
      controllers: controllers.filter((name) => !enabled.includes(name)),
    }))
    .filter((step) => step.controllers.length > 0);
  return { parent: way.at(-1)!.directory, enable };
}

function canEnable({ enabled, occupied }: CgroupV2Level, controller: Controller): boolean {
  return enabled.includes(controller) || !occupied;
}

function whyNot(controller: Controller, top: CgroupV2Level | undefined): string | undefined {
  if (!top?.controllers.includes(controller)) {
    return `no cgroup that can be reached here has the controller ${controller}`;
  }
  if (canEnable(top, controller)) return undefined;
  return `other processes in ${top.directory} keep its controller ${controller} from cgroups below`;
}

/** Adds to a setting's values the isolator that they are for. */
export function limitsOf(
  { isolator }: Pick<ResourceSetting, "isolator">,
  writes: readonly CgroupWrite[],
): CgroupLimit[] {
  return writes.map((it) => ({ ...it, isolator }));
}
