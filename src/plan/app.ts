/**
 * Everything that is done to start an app, decided from the manifests and a look at the host, before any
 * of it is done.
 *
 * @module
 */

import type { DeviceRule } from "../linux/device_rule.ts";
import { readMounts } from "../linux/mountinfo.ts";
import { pathOf } from "../linux/path.ts";
import { type DeviceNumber, statFd } from "../linux/stat.ts";
import type { UserRequest } from "../rootfs/users.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import type { DnsConfMode } from "../stage1/arguments.ts";
import { withContext } from "../stage1/context.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { Pod, PodApp } from "../stage1/pod.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import { composeEnvironment } from "./environment.ts";
import { refuseField } from "./fields.ts";
import type { IdRange } from "./id_range.ts";
import { type IsolatorPlan, planIsolators } from "./isolators.ts";
import { refuseSocketActivation } from "./network/ports.ts";
import { type Policy, readPolicy } from "./policy.ts";
import { planDevices } from "./rootfs/devices.ts";
import { type Mask, planMasks } from "./rootfs/masked_paths.ts";
import {
  type HostFacts,
  type MountOptions,
  type MountPlan,
  planMounts,
  type SourceFacts,
} from "./rootfs/mounts.ts";
import { isFromDocker, matchVolumes, type VolumeMount } from "./rootfs/volumes.ts";

/** What the pod's arguments, and not its manifests, decide about an app. */
export interface AppOptions {
  flavor: Flavor;
  /** Whether the pod has a network of its own. */
  hasNetwork: boolean;
  /** The name of the pod, if it has one of its own. */
  hostname: string | undefined;
  /** The ids of the pod, if it has its own. */
  ids: IdRange | undefined;
  dns: DnsConfMode;
  /** Where the pod's metadata service is, if it has one. */
  metadataUrl: string | undefined;
  /** Whether stage0's user wants the kernel's paths left as they are, whatever else is asked for. */
  disablePaths: boolean;
  /** Whether stage0's user wants the isolators about capabilities, or about system calls, passed over. */
  disableCapabilities: boolean;
  disableSeccomp: boolean;
}

/** A program, which may still have to be looked for, and its arguments. */
export interface EventProgram {
  exec: [string, ...string[]];
  /** Where the manifest has it: `apps[0].app.eventHandlers[0]`. */
  field: string;
}

/** A moment of an app's life. */
export type EventName = "pre-start" | "post-stop";

/** How an app is started. */
export interface AppPlan extends MountPlan {
  /** Where the pod manifest has it: `apps[0]`. */
  field: string;
  name: string;
  /** Its root, relative to the pod directory. */
  rootfs: string;
  environment: Map<string, string>;
  user: UserRequest;
  /** The ids of the pod, if it has its own. */
  ids: IdRange | undefined;
  workingDirectory: string;
  /** What runs to its end before the app starts, if anything does. */
  preStart: EventProgram | undefined;
  /** What runs when the app has ended, if anything does. */
  postStop: EventProgram | undefined;
  /** The program, which may still have to be looked for, and its arguments. */
  exec: [string, ...string[]];
  /** What it may use, do and call. */
  isolators: IsolatorPlan;
  /** The devices that it may use; all that it finds if undefined. */
  devices: DeviceRule[] | undefined;
  /** What of the manifests has no effect, and why: one line each. */
  ignored: string[];
}

/**
 * Decides how to start an app.
 *
 * Looks at the mount table and at the volumes' sources, changes nothing, and needs no privileges.
 *
 * @param sources Keeps what has been looked at open, to be mounted.
 * @throws {Error} which names the field that is wrong.
 */
export function planApp(
  pod: Pod,
  app: PodApp,
  options: AppOptions,
  sources: VolumeSources,
): AppPlan {
  refuseSocketActivation(app);
  const volumes = matchVolumes(pod, app, options.flavor === "isolated" ? "lenient" : "strict");
  const policy = readPolicy(pod, options.flavor);
  const isolators = planIsolators(pod, app, options);
  const restrictDevices = options.flavor === "isolated" && !options.disablePaths;
  const facts = lookAtHost(volumes, policy, sources);
  const mountOptions: MountOptions = {
    restrictDevices,
    flavor: options.flavor,
    hasNetwork: options.hasNetwork,
    hostname: options.hostname,
    ids: options.ids,
    dns: options.dns,
    readOnlyRoot: app.runtime.readOnlyRootFS ?? false,
    protectKernelPaths: options.disablePaths ? undefined : policy.protectKernelPaths,
  };
  return {
    ...planMounts(volumes, mountOptions, facts),
    field: app.field,
    name: app.name,
    rootfs: appRootfs(app.name),
    environment: composeEnvironment(app.app.environment, app.name, options.metadataUrl),
    user: requestUser(app),
    ids: options.ids,
    workingDirectory: app.app.workingDirectory || "/",
    preStart: findHandler("pre-start", app),
    postStop: findHandler("post-stop", app),
    exec: requireProgram(app),
    isolators,
    devices: restrictDevices ? planDevices(devicesAmong(facts)) : undefined,
    ignored: isolators.notes,
  };
}

/** What decides about the kernel's paths of a pod. */
export type MaskOptions = Pick<AppOptions, "flavor" | "hasNetwork" | "disablePaths">;

/**
 * Decides what is done about the kernel's paths in the own /proc and /sys of an isolated pod, whose
 * apps get clones of both. In the host's namespaces it is part of each app's plan.
 *
 * @throws {Error} when an annotation is neither `true` nor `false`.
 */
export function planPodMasks(pod: Pod, options: MaskOptions): Mask[] {
  const { protectKernelPaths } = readPolicy(pod, options.flavor);
  if (options.flavor === "host" || options.disablePaths || !protectKernelPaths) return [];
  return planMasks(protectKernelPaths, options);
}

function devicesAmong({ sources }: HostFacts): DeviceNumber[] {
  return [...sources.values()].map(({ device }) => device).filter((it) => it !== undefined);
}

/** Whom the manifests of an app ask it to run as. */
export function requestUser({ app, image, field }: PodApp): UserRequest {
  const imageUser = image.app;
  return {
    user: app.user,
    group: app.group,
    supplementaryGIDs: app.supplementaryGIDs,
    groupMayBeUser: isFromDocker(image) &&
      imageUser?.user === imageUser?.group && app.group === imageUser?.group,
    field: `${field}.app`,
  };
}

function requireProgram({ app, field, image }: PodApp): [string, ...string[]] {
  const [program, ...args] = app.exec;
  if (!program) {
    throw new Error(`${field}.app.exec: image "${image.name}" has no program to run (try --exec)`);
  }
  return [program, ...args];
}

function findHandler(event: EventName, { app, field }: PodApp): EventProgram | undefined {
  const i = app.eventHandlers.findIndex(({ name }) => name === event);
  const handler = app.eventHandlers[i];
  if (handler === undefined) return undefined;
  const place = `${field}.app.eventHandlers[${i}]`;
  const [program, ...args] = handler.exec;
  if (!program) throw new Error(`${place}.exec: no program to run`);
  return { exec: [program, ...args], field: place };
}

function lookAtHost(
  volumes: readonly VolumeMount[],
  policy: Policy,
  sources: VolumeSources,
): HostFacts {
  const facts = new Map<string, SourceFacts>();
  for (const { volume, field } of volumes) {
    if (volume.kind === "host") {
      facts.set(volume.source, lookAtSource(volume.source, field, policy, sources));
    }
  }
  return { mounts: facts.size === 0 ? [] : readMounts(), sources: facts };
}

function lookAtSource(
  path: string,
  field: string,
  policy: Policy,
  sources: VolumeSources,
): SourceFacts {
  const facts = withContext(`${field}: source of the volume`, () => {
    const fd = sources.open(path);
    const { mountId, isMountRoot, device } = statFd(fd);
    return { realPath: pathOf(fd), mountId, isMountRoot, device };
  });
  if (facts.realPath !== normalize(path) && !policy.followVolumeLinks) {
    throw refuseField(
      "pod: volumes (host) behind a link",
      `${field}: source of the volume: ${path} leads through a symbolic link to ${facts.realPath}`,
    );
  }
  return facts;
}

/** The path without doubled and trailing slashes and dots, as it would be if there were no links. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
