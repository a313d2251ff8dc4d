/**
 * Which cgroups a pod with namespaces of its own has, decided before any is made. Pure.
 *
 * In each hierarchy that is needed, there is one for the pod, which its isolators limit, and below it one for
 * each app, which the app's own do. Needed are the hierarchies of the limits; version 1's `devices` where there
 * is one; version 1's `pids`, if processes are limited; and one in which all of an app's processes are found and
 * ended: version 1's `freezer`, or else version 2. Moving a process is quick in version 1, and takes the kernel many milliseconds in version 2.
 *
 * @module
 */

import type { Isolators } from "../../appc/isolators.ts";
import type { Cgroups, CgroupV2Level } from "../../linux/cgroup.ts";
import { type DeviceRule, ruleText } from "../../linux/device_rule.ts";
import {
  type Controller,
  controllersFor,
  enforceable,
  findPlace,
  findV1,
  type Limit,
  limitsOf,
  type Place,
  type Setting,
} from "./placement.ts";
import { type HostResources, planSettings } from "./resources.ts";

/** What an app's cgroups are made from. */
export interface AppResources {
  name: string;
  isolators: Isolators;
  /** What it may use; all that there is if undefined. */
  devices: readonly DeviceRule[] | undefined;
}

/** The cgroup of an app in one hierarchy. */
export interface AppCgroupPlan {
  app: string;
  limits: Limit[];
  /** To be fenced by a program. Version 2 only. */
  devices: readonly DeviceRule[] | undefined;
}

/** The cgroups of a pod in one hierarchy. */
export interface PodCgroupPlan extends Place {
  version: 1 | 2;
  /** What a mount of it is told: the hierarchy's name or controllers. Empty for version 2. */
  mountOptions: string[];
  /** Whether `run` itself has to leave the parent, which gives controllers to its children. */
  moveSelfOut: boolean;
  /** Whether all of the pod's processes are looked for here. */
  isTrackingHierarchy: boolean;
  limits: Limit[];
  /** What the pod's cgroup gives those of the apps. Version 2 only. */
  controllers: Controller[];
  apps: AppCgroupPlan[];
}

/** The settings of a pod, and of each of its apps. */
interface PodSettings {
  pod: Setting[];
  /** How many processes it can have; nothing where that is left open. */
  processes: Limit[];
  apps: (Omit<AppResources, "isolators"> & { settings: Setting[] })[];
}

/** The controller of version 1 in whose hierarchy an app's processes are found. */
const TRACKER = "freezer";

/** Who asks for what is written about devices, as messages name it. */
export const DEVICE_RULES = "devices of the host";

/** How many processes and threads a pod can have: as many as a machine of systemd's. */
export const PROCESS_LIMIT = 16_384;

/**
 * Decides which cgroups a pod has.
 *
 * @param processes How many processes it can have, if that is to be limited. No cgroup of version 2 is given a
 * controller, or made elsewhere, on that account: there, what bounds the caller bounds the pod.
 * @param notes Where it is added what cannot be enforced, or not as the manifest says, and why.
 * @throws {Error} when an app would get nothing at all, and so could not run.
 */
export function planPodCgroups(
  pod: Isolators,
  apps: readonly AppResources[],
  host: HostResources,
  processes: number | undefined,
  notes: string[],
): PodCgroupPlan[] {
  const settings: PodSettings = {
    pod: planSettings({ unknown: [] }, pod, host, notes),
    processes: processes === undefined ? [] : [{
      file: "pids.max",
      value: `${processes}`,
      isolator: "processes of the pod",
      optional: true,
    }],
    apps: apps.map(({ isolators, ...app }) => ({
      ...app,
      settings: planSettings(isolators, boundsOf(pod, isolators), host, notes),
    })),
  };
  const plans = [
    ...planV1(settings, host.cgroups, notes),
    ...planV2(settings, host.cgroups, notes),
  ];
  if (apps.some(({ devices }) => devices) && plans.every((plan) => !restrictsDevices(plan))) {
    notes.push(`${DEVICE_RULES}: no cgroup that can be reached here keeps the apps from them`);
  }
  return plans;
}

/** The plan in words: one line for each thing that is done. */
export function describePodCgroups(plans: readonly PodCgroupPlan[], name: string): string[] {
  return plans.flatMap(({ parent, enable, limits, apps }) => [
    `cgroup ${parent}/${name}`,
    ...enable.map(({ directory, controllers }) =>
      `  enable ${controllers.join(", ")} in ${directory}`
    ),
    ...limits.map(({ file, value }) => `  ${file} = ${value}`),
    ...apps.flatMap(({ app, limits, devices }) => [
      ...limits.map(({ file, value }) => `  of ${app}: ${file} = ${value}`),
      ...(devices ?? []).map((rule) => `  of ${app}: allow ${ruleText(rule)}`),
    ]),
  ]);
}

/**
 * What of the pod's isolators an app's limit must not exceed. Version 1 refuses it to be more than the pod's. A
 * share is no limit: the apps' divide what the pod has.
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

/** One plan for each hierarchy of version 1 that has something to do. */
function planV1(settings: PodSettings, cgroups: Cgroups, notes: string[]): PodCgroupPlan[] {
  return cgroups.v1.map(({ controllers, directory }): PodCgroupPlan => {
    const limitsHere = (all: readonly Setting[]) =>
      all.filter((setting) => findV1(setting, cgroups)?.directory === directory)
        .flatMap((setting) => {
          if (setting.needsMemory) notes.push(`${setting.isolator}: ${setting.needsMemory}`);
          return limitsOf(setting, setting.v1);
        });
    const hasDevices = controllers.includes("devices");
    return {
      version: 1,
      mountOptions: controllers,
      parent: directory,
      enable: [],
      moveSelfOut: false,
      isTrackingHierarchy: controllers.includes(TRACKER),
      limits: [
        ...limitsHere(settings.pod),
        ...(controllers.includes("pids") ? settings.processes : []),
      ],
      controllers: [],
      apps: settings.apps.map(({ name, settings, devices }) => ({
        app: name,
        limits: [...limitsHere(settings), ...(hasDevices ? deviceRulesInV1(devices) : [])],
        devices: undefined,
      })),
    };
  }).filter(({ isTrackingHierarchy, limits, apps }) =>
    isTrackingHierarchy ||
    [limits, ...apps.map(({ limits }) => limits)].some(({ length }) => length > 0)
  );
}

function deviceRulesInV1(devices: readonly DeviceRule[] | undefined): Limit[] {
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

function planV2(settings: PodSettings, cgroups: Cgroups, notes: string[]): PodCgroupPlan[] {
  const levels = forProcesses(cgroups.v2);
  const inV2 = (all: readonly Setting[]) =>
    enforceable(all.filter((setting) => findV1(setting, cgroups) === undefined), levels, notes);
  const ofPod = inV2(settings.pod);
  const apps = settings.apps.map((app) => ({ ...app, settings: inV2(app.settings) }));
  const isTrackingHierarchy = !hasV1(TRACKER, cgroups);
  const fences = !hasV1("devices", cgroups) && apps.some(({ devices }) => devices);
  const needed = isTrackingHierarchy || fences ||
    [ofPod, ...apps.map(({ settings }) => settings)].flat().length;
  if (levels.length === 0 || !needed) return [];
  const ofApps = apps.flatMap(({ settings }) => settings);
  const place = findPlace(controllersFor([...ofPod, ...ofApps], levels, notes), levels);
  return [{
    ...place,
    version: 2,
    mountOptions: [],
    moveSelfOut: place.enable.some(({ directory }) => directory === cgroups.v2.at(-1)?.directory),
    isTrackingHierarchy,
    limits: [
      ...ofPod.flatMap((setting) => limitsOf(setting, setting.v2)),
      ...(hasV1("pids", cgroups) ? [] : settings.processes),
    ],
    // What cannot be had of them has been said above.
    controllers: controllersFor(ofApps, levels, []),
    apps: apps.map(({ name, settings, devices }) => ({
      app: name,
      limits: settings.flatMap((setting) => limitsOf(setting, setting.v2)),
      devices: fences ? devices : undefined,
    })),
  }];
}

/** Those above the first that is for threads alone. */
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
