/**
 * Which cgroups a pod has, and where, decided before any is made. Pure.
 *
 * In version 1, they are below the caller's own. In version 2, as near to it as that version allows.
 *
 * @module
 */

import type { Cgroups, CgroupV1, CgroupV2Level } from "../../linux/cgroup.ts";

/** A value for a file of the pod's cgroup. */
export interface Limit {
  file: string;
  value: string;
  /** Whether a kernel may lack the file without anything being amiss. */
  optional?: true;
  /** The isolator that asks for it, as messages name it. */
  isolator: string;
}

/** Where a cgroup is made. */
export interface Place {
  /** The cgroup that it is made in, by absolute path. */
  parent: string;
  /** Cgroups, from the top, that first have to give their children controllers. Version 2 only. */
  enable: { directory: string; controllers: string[] }[];
}

/** A cgroup of the pod's: one in each hierarchy that is needed. */
export interface CgroupPlan extends Place {
  /** In the order in which they are written. */
  limits: Limit[];
}

/** The file of version 1 or 2, and its value. */
export type Write = Omit<Limit, "isolator">;

/** One isolator's wish, in both languages. */
export interface Setting {
  controller: Controller;
  isolator: string;
  v1: Write[];
  v2: Write[];
  /** What cannot be had of it but from version 2, with the memory controller beside its own. */
  needsMemory?: string;
}

/** Version 2's name of a controller. */
export type Controller = "memory" | "cpu" | "io";

const V1_NAMES: Record<Controller, string> = { memory: "memory", cpu: "cpu", io: "blkio" };

/**
 * Decides which cgroups of the pod's there are, and what each is limited to.
 *
 * Version 1 goes first where it has a controller: a controller is in one hierarchy alone.
 *
 * @param notes Where it is added what cannot be enforced, and why.
 */
export function placeSettings(
  settings: readonly Setting[],
  cgroups: Cgroups,
  notes: string[],
): CgroupPlan[] {
  const plans: CgroupPlan[] = [];
  const forV2: Setting[] = [];
  for (const setting of settings) {
    const hierarchy = findV1(setting, cgroups);
    if (hierarchy === undefined) {
      forV2.push(setting);
      continue;
    }
    addLimits(plans, hierarchy.directory, limitsOf(setting, setting.v1));
    if (setting.needsMemory) notes.push(`${setting.isolator}: ${setting.needsMemory}`);
  }
  return [...plans, ...placeInV2(forV2, cgroups.v2, notes)];
}

/** The hierarchy of version 1 that has a setting's controller. */
export function findV1({ controller }: Setting, { v1 }: Cgroups): CgroupV1 | undefined {
  return v1.find(({ controllers }) => controllers.includes(V1_NAMES[controller]));
}

function addLimits(plans: CgroupPlan[], parent: string, limits: Limit[]): void {
  const known = plans.find((plan) => plan.parent === parent);
  if (known) known.limits.push(...limits);
  else plans.push({ parent, enable: [], limits });
}

function placeInV2(
  settings: readonly Setting[],
  levels: readonly CgroupV2Level[],
  notes: string[],
): CgroupPlan[] {
  const placed = enforceable(settings, levels, notes);
  if (placed.length === 0) return [];
  const limits = placed.flatMap((setting) => limitsOf(setting, setting.v2));
  return [{ ...findPlace(controllersFor(placed, levels, notes), levels), limits }];
}

/**
 * The settings that version 2 can have here.
 *
 * @param levels All cgroups on the way to this process's own.
 * @param notes Where it is added what cannot be enforced, and why.
 */
export function enforceable(
  settings: readonly Setting[],
  [top]: readonly CgroupV2Level[],
  notes: string[],
): Setting[] {
  return settings.filter((setting) => {
    const reason = whyNot(setting.controller, top);
    if (reason) notes.push(`${setting.isolator}: not enforced: ${reason}`);
    return reason === undefined;
  });
}

/** The controllers that settings need, without those that version 2 has not. */
export function controllersFor(
  settings: readonly Setting[],
  [top]: readonly CgroupV2Level[],
  notes: string[],
): Controller[] {
  const memory = settings.some(({ needsMemory }) => needsMemory)
    ? addMemory(settings, top, notes)
    : [];
  return [...new Set([...settings.map(({ controller }) => controller), ...memory])];
}

/**
 * Below the cgroup that `run` was started in, so that what bounds the caller bounds the pod. That needs
 * the caller's cgroup to have no other process, as in a service of systemd's, since version 2 gives
 * controllers only to children of cgroups without processes of their own. Beside others, as in a login
 * session, the pod goes to the nearest cgroup above that can have it, and what bounds that one bounds the
 * pod.
 *
 * @param levels One at least, the first of which can give the controllers.
 */
export function findPlace(
  controllers: readonly Controller[],
  levels: readonly CgroupV2Level[],
): Place {
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

/** The kernel knows whose page is written back only where the memory controller counts pages as well. */
function addMemory(
  settings: readonly Setting[],
  top: CgroupV2Level | undefined,
  notes: string[],
): Controller[] {
  if (whyNot("memory", top) === undefined) return ["memory"];
  for (const { isolator, needsMemory } of settings) {
    if (needsMemory) notes.push(`${isolator}: ${needsMemory}`);
  }
  return [];
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

/** A setting's values, with whom they are for. */
export function limitsOf({ isolator }: Setting, writes: readonly Write[]): Limit[] {
  return writes.map((it) => ({ ...it, isolator }));
}
