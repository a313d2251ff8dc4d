/**
 * The cgroups of a pod that `run` supervises, decided before any is made.
 *
 * In each hierarchy that is needed, the pod has one cgroup, which the pod's isolators limit, and
 * below it one for each app, which the app's isolators limit. These hierarchies are needed:
 *
 * - those of the limits;
 * - version 1's `devices`, where it exists;
 * - version 1's `pids`, if the number of processes is limited;
 * - in a mutable pod those of all limits that an app may have which is added later;
 * - those of version 1 without which programs do not look for their limits, if memory or processors
 *   are limited there and the apps see their own cgroups;
 * - one in which all processes of an app are found and killed: version 1's `freezer`, or else
 *   version 2. The kernel moves a process within a millisecond in version 1, and takes many in
 *   version 2.
 *
 * @module
 */

import type { Isolators } from "../../appc/isolators.ts";
import type { Cgroups, CgroupV2Level } from "../../linux/cgroup_paths.ts";
import { type DeviceRule, ruleText } from "../../linux/device_rule.ts";
import { appCgroupName, machineCgroupName, podCgroupName } from "./names.ts";
import {
  type CgroupLimit,
  type CgroupPlan,
  chooseEnforceable,
  type Controller,
  controllersFor,
  findPlace,
  findV1,
  limitsOf,
  type ResourceSetting,
  V1_NAMES,
} from "./placement.ts";
import { type HostResources, planResourceSettings } from "./resources.ts";

/** What an app's cgroups are decided from. */
export interface AppResources {
  name: string;
  isolators: Isolators;
  /** The devices that it may use; if undefined, all. */
  devices: readonly DeviceRule[] | undefined;
}

/** The cgroup of an app in one hierarchy. */
export interface AppCgroupPlan {
  app: string;
  /** Its absolute path. */
  path: string;
  limits: CgroupLimit[];
  /** The devices that a program attached to the cgroup allows. Version 2 only. */
  devices: readonly DeviceRule[] | undefined;
}

/** The cgroups of a pod in one hierarchy. */
export interface PodCgroupPlan extends CgroupPlan {
  version: 1 | 2;
  /** The options of its mount: the hierarchy's name or controllers. Empty for version 2. */
  mountOptions: string[];
  /**
   * The cgroup that `run` moves to, where it has to leave the parent so that the parent can give
   * controllers to its children.
   */
  moveSelfOut: string | undefined;
  /** Whether the processes of each app are found in this hierarchy. */
  isTrackingHierarchy: boolean;
  /**
   * Files whose values it takes from the parent, and the apps' cgroups from it. Version 1 only,
   * where no process can join a new cgroup of `cpuset`.
   */
  inherited: string[];
  /** The controllers that the pod's cgroup gives to the apps' cgroups. Version 2 only. */
  controllers: Controller[];
  apps: AppCgroupPlan[];
}

/** The settings of a pod, and of each of its apps. */
interface PodSettings {
  uuid: string;
  pod: ResourceSetting[];
  /** The limit of its number of processes; empty where there is none. */
  processes: CgroupLimit[];
  showsCgroups: boolean;
  isMutable: boolean;
  /** Whether the pod's cgroups are there, so that an app gets one in each of them. */
  isStanding: boolean;
  apps: (Omit<AppResources, "isolators"> & { settings: ResourceSetting[] })[];
}

/** What a pod's cgroups are decided from. */
export interface CgroupRequest {
  uuid: string;
  /** The isolators of the pod. */
  pod: Isolators;
  apps: readonly AppResources[];
  host: HostResources;
  /** How many processes the pod can have; if undefined, this is not limited. */
  processes: number | undefined;
  /** Whether each app sees its own cgroups as the first ones. */
  showsCgroups: boolean;
  /** Whether apps are added later, which may have limits and devices. */
  isMutable: boolean;
}

/** The controller of version 1 in whose hierarchy an app's processes are found. */
const TRACKER = "freezer";

/**
 * The controllers of version 1 in whose hierarchies the JVM looks for limits. Where it does not see
 * one of them, it takes the whole machine for its own.
 */
const READ_TOGETHER = ["memory", "cpu", "cpuacct", "cpuset"];

/** The controllers that the limits of apps may need. */
const OF_LIMITS: readonly Controller[] = ["memory", "cpu", "io"];

/** What the cgroups of a controller take from the one above. */
const INHERITED: Readonly<Record<string, string[]>> = { cpuset: ["cpuset.cpus", "cpuset.mems"] };

/** The name for rules about devices in messages, in place of an isolator. */
export const DEVICE_RULES = "devices of the host";

/** How many processes and threads a pod can have: systemd's default for a machine. */
export const PROCESS_LIMIT = 16_384;

/**
 * Decides which cgroups a pod has.
 *
 * If only the number of processes is limited, no cgroup of version 2 gets a controller or is made
 * elsewhere: what bounds the caller then bounds the pod.
 *
 * @returns The cgroups, and notes on what cannot be enforced, or not as the manifest says, and why:
 * one line each.
 * @throws {Error} when a limit would leave an app nothing to run with.
 */
export function planPodCgroups(
  { uuid, pod, apps, host, processes, showsCgroups, isMutable }: CgroupRequest,
): { cgroups: PodCgroupPlan[]; notes: string[] } {
  const ofPod = planResourceSettings({ unknown: [] }, pod, host.blockDevices);
  const ofApps = planAppSettings(apps, pod, host);
  const { cgroups, notes } = planHierarchies({
    uuid,
    showsCgroups,
    isMutable,
    isStanding: false,
    pod: ofPod.settings,
    processes: processes === undefined ? [] : [{
      file: "pids.max",
      value: `${processes}`,
      isolator: "processes of the pod",
      optional: true,
    }],
    apps: ofApps.settings,
  }, host.cgroups);
  return { cgroups, notes: [...ofPod.notes, ...ofApps.notes, ...notes] };
}

/** What the cgroups of an app are decided from that is added to a pod. */
export type AddedCgroupRequest = Omit<CgroupRequest, "apps" | "isMutable" | "processes"> & {
  app: AppResources;
};

/**
 * Decides which cgroups an app has that is added to a pod: one in each of the pod's, which are left
 * as they are.
 *
 * @param request The host's cgroups are those in which the pod's are, as if the caller were there.
 * @returns The cgroups, and notes on what cannot be enforced, or not as the manifest says, and why:
 * one line each.
 * @throws {Error} when a limit would leave the app nothing to run with.
 */
export function planAddedCgroups(
  { uuid, pod, app, host, showsCgroups }: AddedCgroupRequest,
): { cgroups: PodCgroupPlan[]; notes: string[] } {
  const ofApp = planAppSettings([app], pod, host);
  const { cgroups, notes } = planHierarchies({
    uuid,
    showsCgroups,
    isMutable: false,
    isStanding: true,
    pod: [],
    processes: [],
    apps: ofApp.settings,
  }, host.cgroups);
  return { cgroups, notes: [...ofApp.notes, ...notes] };
}

/** Returns where the cgroups of a pod are, for {@linkcode planAddedCgroups}. */
export function placesOf(pod: readonly PodCgroupPlan[]): Cgroups {
  const of = (wanted: 1 | 2) => pod.filter(({ version }) => version === wanted);
  return {
    v1: of(1).map(({ mountOptions, parent }) => ({ controllers: mountOptions, directory: parent })),
    v2: of(2).map(({ parent, controllers }) => ({
      directory: parent,
      controllers,
      enabled: controllers,
      occupied: false,
      threaded: false,
    })),
  };
}

function planAppSettings(
  apps: readonly AppResources[],
  pod: Isolators,
  { blockDevices }: HostResources,
): { settings: PodSettings["apps"]; notes: string[] } {
  const planned = apps.map(({ isolators, ...app }) => ({
    app,
    ...planResourceSettings(isolators, boundsOf(pod, isolators), blockDevices),
  }));
  return {
    settings: planned.map(({ app, settings }) => ({ ...app, settings })),
    notes: planned.flatMap(({ notes }) => notes),
  };
}

function planHierarchies(
  settings: PodSettings,
  host: Cgroups,
): { cgroups: PodCgroupPlan[]; notes: string[] } {
  const { apps } = settings;
  const notes: string[] = [];
  const cgroups = [...planV1(settings, host, notes), ...planV2(settings, host, notes)];
  if (apps.some(({ devices }) => devices) && cgroups.every((plan) => !restrictsDevices(plan))) {
    notes.push(`${DEVICE_RULES}: no cgroup that can be reached here keeps the apps from them`);
  }
  return { cgroups, notes };
}

/**
 * The pod's isolators that an app's limits must not exceed, because version 1 refuses a limit above
 * the pod's. Shares are no limit: the apps' divide what the pod has.
 */
function boundsOf(pod: Isolators, app: Isolators): Isolators {
  return {
    unknown: [],
    ...(app.memory && pod.memory && { memory: pod.memory }),
    ...(app.cpu && pod.cpu && { cpu: pod.cpu }),
    ...(app.blockBandwidth && pod.blockBandwidth && { blockBandwidth: pod.blockBandwidth }),
    ...(app.blockIops && pod.blockIops && { blockIops: pod.blockIops }),
  };
}

/** Makes one plan for each hierarchy of version 1 that is needed. */
function planV1(wanted: PodSettings, cgroups: Cgroups, notes: string[]): PodCgroupPlan[] {
  const isRead = (controllers: readonly string[]) =>
    hasReadLimits(wanted, cgroups) && controllers.some((name) => READ_TOGETHER.includes(name));
  return cgroups.v1.map(({ controllers, directory }): PodCgroupPlan => {
    const limitsHere = (all: readonly ResourceSetting[]) =>
      all.filter((setting) => findV1(setting, cgroups)?.directory === directory)
        .flatMap((setting) => {
          if (setting.needsMemory) notes.push(`${setting.isolator}: ${setting.needsMemory}`);
          return limitsOf(setting, setting.v1);
        });
    const hasDevices = controllers.includes("devices");
    const path = `${directory}/${machineCgroupName(wanted.uuid)}`;
    return {
      version: 1,
      mountOptions: controllers,
      parent: directory,
      path,
      enable: [],
      moveSelfOut: undefined,
      isTrackingHierarchy: controllers.includes(TRACKER),
      limits: [
        ...limitsHere(wanted.pod),
        ...(controllers.includes("pids") ? wanted.processes : []),
      ],
      inherited: controllers.flatMap((name) => INHERITED[name] ?? []),
      controllers: [],
      apps: wanted.apps.map(({ name, settings, devices }) => ({
        app: name,
        path: `${path}/${appCgroupName(name)}`,
        limits: [...limitsHere(settings), ...(hasDevices ? deviceRulesInV1(devices) : [])],
        devices: undefined,
      })),
    };
  }).filter(({ isTrackingHierarchy, mountOptions, limits, apps }) =>
    wanted.isStanding || isTrackingHierarchy || isRead(mountOptions) ||
    (wanted.isMutable && isForApps(mountOptions)) ||
    [limits, ...apps.map(({ limits }) => limits)].some(({ length }) => length > 0)
  );
}

/** Tells whether an app that is added later may have limits in a hierarchy of version 1. */
function isForApps(controllers: readonly string[]): boolean {
  const names = [...READ_TOGETHER, ...OF_LIMITS.map((name) => V1_NAMES[name]), "devices"];
  return controllers.some((name) => names.includes(name));
}

/** Tells whether version 1 has limits that programs look for, to decide how much they use. */
function hasReadLimits({ showsCgroups, pod, apps }: PodSettings, cgroups: Cgroups): boolean {
  return showsCgroups &&
    [pod, ...apps.map(({ settings }) => settings)].flat().some((setting) =>
      setting.controller !== "io" && findV1(setting, cgroups) !== undefined
    );
}

function deviceRulesInV1(devices: readonly DeviceRule[] | undefined): CgroupLimit[] {
  if (devices === undefined) return [];
  return [
    { file: "devices.deny", value: "a", isolator: DEVICE_RULES },
    ...devices.map((rule) => ({
      file: "devices.allow",
      value: ruleText(rule),
      isolator: DEVICE_RULES,
    })),
  ];
}

function planV2(wanted: PodSettings, cgroups: Cgroups, notes: string[]): PodCgroupPlan[] {
  const levels = forProcesses(cgroups.v2);
  const inV2 = (all: readonly ResourceSetting[]) => {
    const ofV2 = all.filter((setting) => findV1(setting, cgroups) === undefined);
    const chosen = chooseEnforceable(ofV2, levels);
    notes.push(...chosen.notes);
    return chosen.enforced;
  };
  const ofPod = inV2(wanted.pod);
  const apps = wanted.apps.map((app) => ({ ...app, settings: inV2(app.settings) }));
  const ofApps = [
    ...apps.flatMap(({ settings }) => settings),
    ...(wanted.isMutable ? possibleLimits(cgroups, levels) : []),
  ];
  const isTrackingHierarchy = !hasV1(TRACKER, cgroups);
  const hasDevices = !hasV1("devices", cgroups) &&
    (wanted.isMutable || apps.some(({ devices }) => devices));
  const isNeeded = wanted.isStanding || isTrackingHierarchy || hasDevices ||
    ofPod.length + ofApps.length > 0;
  if (levels.length === 0 || !isNeeded) return [];
  const needed = controllersFor([...ofPod, ...ofApps], levels);
  notes.push(...needed.notes);
  const place = findPlace(needed.controllers, levels);
  const path = `${place.parent}/${machineCgroupName(wanted.uuid)}`;
  const own = cgroups.v2.at(-1)?.directory;
  const isInTheWay = place.enable.some(({ directory }) => directory === own);
  return [{
    ...place,
    version: 2,
    mountOptions: [],
    path,
    moveSelfOut: isInTheWay ? `${place.parent}/${podCgroupName(wanted.uuid)}` : undefined,
    isTrackingHierarchy,
    limits: [
      ...ofPod.flatMap((setting) => limitsOf(setting, setting.v2)),
      ...(hasV1("pids", cgroups) ? [] : wanted.processes),
    ],
    inherited: [],
    // What is missing was noted above, for all settings together.
    controllers: controllersFor(ofApps, levels).controllers,
    apps: apps.map(({ name, settings, devices }) => ({
      app: name,
      path: `${path}/${appCgroupName(name)}`,
      limits: settings.flatMap((setting) => limitsOf(setting, setting.v2)),
      devices: hasDevices ? devices : undefined,
    })),
  }];
}

/** Lists what apps that are added later may be limited by in version 2. It sets nothing yet. */
function possibleLimits(cgroups: Cgroups, levels: readonly CgroupV2Level[]): ResourceSetting[] {
  const all = OF_LIMITS.map((controller) => ({ controller, isolator: "", v1: [], v2: [] }))
    .filter((setting) => findV1(setting, cgroups) === undefined);
  return chooseEnforceable(all, levels).enforced;
}

/** Leaves out the first cgroup that is for threads only, and all below it. */
function forProcesses(levels: readonly CgroupV2Level[]): readonly CgroupV2Level[] {
  const end = levels.findIndex(({ threaded }) => threaded);
  return end === -1 ? levels : levels.slice(0, end);
}

function hasV1(name: string, { v1 }: Cgroups): boolean {
  return v1.some(({ controllers }) => controllers.includes(name));
}

function restrictsDevices({ version, mountOptions }: PodCgroupPlan): boolean {
  return version === 2 || mountOptions.includes("devices");
}
