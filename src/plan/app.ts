/**
 * The plan of an app: how it is started, decided from the manifests, the arguments and the facts of
 * the host.
 *
 * @module
 */

import type { Isolators } from "../appc/isolators.ts";
import type { DeviceRule } from "../linux/device_rule.ts";
import type { DeviceNumber } from "../linux/stat.ts";
import type { DnsConfMode } from "../stage1/arguments.ts";
import type { Pod, PodApp } from "../stage1/pod.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import { type ActivationPlan, planActivation } from "./activation.ts";
import { foreignAnnotationsOf, placesOfAnnotations } from "./annotations.ts";
import { ATTACHED_TERMINAL } from "./environment.ts";
import { tellIgnored } from "./fields.ts";
import type { HostFacts } from "./host_facts.ts";
import { type IdRange, podId } from "./id_range.ts";
import { type IsolatorOptions, notesOnUnknownIsolators, planIsolators } from "./isolators.ts";
import { planKubernetesLog } from "./kubernetes_log.ts";
import { LOG_ANNOTATIONS, type LogPlan, planLog } from "./log.ts";
import { runBecomesApp } from "./namespaces.ts";
import {
  notesOnLateNotification,
  type NotificationPlan,
  planNotification,
} from "./notification.ts";
import { isMutable, readPolicy } from "./policy.ts";
import { judgeImagePrivileges } from "./process/image_privileges.ts";
import { requestUser, type UserRequest } from "./process/user.ts";
import { planDevices } from "./rootfs/devices.ts";
import { type MaskedPath, planMaskedPaths } from "./rootfs/masked_paths.ts";
import { type MountOptions, type MountPlan, planMounts } from "./rootfs/mounts.ts";
import { refuseLinks } from "./rootfs/source_links.ts";
import { matchVolumes, mountRulesOf, type VolumeMount } from "./rootfs/volumes.ts";
import { planStart, type StartPlan } from "./start.ts";
import {
  CALLERS_STREAMS,
  isShownTarget,
  isTerminalTarget,
  LOGGED_STREAMS,
  placesOfStreamAnnotations,
  planStdio,
  type StdioPlan,
  STREAMS,
} from "./stdio.ts";
import { notesOnStopTimeout } from "./stop.ts";

/** What decides about an app besides its own manifests. */
export interface AppOptions extends IsolatorOptions {
  /** Whether the pod has a network of its own. */
  hasNetwork: boolean;
  /** The pod's host name, if it has its own. */
  hostname: string | undefined;
  /** The pod's ids, if it has its own. */
  ids: IdRange | undefined;
  dns: DnsConfMode;
  /** The URL of the pod's metadata service, if it has one. */
  metadataUrl: string | undefined;
  /** `--disable-paths`: the kernel's paths are left as they are, whatever else is asked for. */
  disablePaths: boolean;
  /** `--interactive`. */
  interactive: boolean;
  /** Whether `run` becomes the app. */
  isBecome: boolean;
  /** Whether it is added to a pod that runs. */
  isAdded: boolean;
  /** The address that `run` tells of the pod, if there is one. */
  manager: string | undefined;
  /** The isolators of the pod. */
  ofPod: Isolators;
}

/** How an app is started. */
export interface AppPlan extends MountPlan, StartPlan {
  /** Its root, relative to the pod directory. */
  rootfs: string;
  user: UserRequest;
  /** The devices that it may use; if undefined, all that it finds. */
  devices: DeviceRule[] | undefined;
  /** Where its standard streams lead. */
  stdio: StdioPlan;
  /** How what it writes is kept; undefined where all streams are the caller's. */
  log: LogPlan | undefined;
  /**
   * The `TERM` of its programs unless its manifest sets one. Undefined where it has no terminal.
   */
  terminalType: string | undefined;
  /** How it tells that it is ready, if it does. */
  notification: NotificationPlan | undefined;
  /** The sockets that it is given, if it wants any. */
  activation: ActivationPlan | undefined;
}

/**
 * Decides how to start an app.
 *
 * @param ofApp The isolators of the app.
 * @returns The plan, and notes on what in the manifests has no effect, and why: one line each.
 * @throws {Error} when a field is wrong; the message names it.
 */
export function planApp(
  pod: Pod,
  app: PodApp,
  ofApp: Isolators,
  options: AppOptions,
  facts: HostFacts,
): { plan: AppPlan; notes: string[] } {
  const volumes = matchVolumes(pod, app, mountRulesOf(options.flavor));
  const policy = readPolicy(pod, options.flavor);
  const isolators = planIsolators(ofApp, options.ofPod, options, facts.securityModules);
  const restrictDevices = options.flavor === "isolated" && !options.disablePaths;
  if (!policy.followsVolumeLinks) refuseLinks(volumes, facts.sources);
  const ofImage = judgeImagePrivileges(app, options.flavor);
  const stdio = planStreams(pod, app, options, facts);
  const isLogged = stdio !== CALLERS_STREAMS;
  const number = pod.apps.indexOf(app);
  const notification = options.isAdded ? undefined : planNotification(app, { ...options, number });
  const mountOptions: MountOptions = {
    ...options,
    app: app.name,
    restrictDevices,
    readOnlyRoot: app.runtime.readOnlyRootFS ?? false,
    maskedPaths: options.disablePaths ? undefined : policy.maskedPaths,
    hasTerminal: isShownTarget(stdio.stdin),
    notifySocket: notification?.source,
  };
  const plan: AppPlan = {
    ...planMounts(volumes, mountOptions, facts),
    ...planStart(app, isolators.plan, options),
    rootfs: appRootfs(app.name),
    user: requestUser(app),
    devices: restrictDevices ? planDevices(devicesAmong(volumes, facts)) : undefined,
    stdio,
    log: isLogged ? planLog(app, planKubernetesLog(pod, app, stdio)) : undefined,
    terminalType: terminalTypeOf(stdio, facts),
    notification,
    activation: planActivation(pod, app, facts.sockets),
  };
  const notes = [
    ...notesOnUnknownIsolators(ofApp),
    ...isolators.notes,
    ...ofImage,
    ...notesOnForeignFiles(app, options.ids, facts),
    ...(runBecomesApp(pod, options.flavor) ? notesOnStopTimeout(app) : []),
    ...notesOnStreams(app, { isBecome: options.isBecome, isLogged }),
    ...notesOnImageAnnotations(app),
    ...(options.isAdded ? notesOnLateNotification(app) : []),
  ];
  return { plan, notes };
}

/** What decides how the kernel's paths of a pod are masked. */
export type MaskOptions = Pick<AppOptions, "flavor" | "hasNetwork" | "disablePaths">;

/**
 * Decides how paths in the own /proc and /sys of an isolated pod are masked. The apps get clones of
 * both. In the host's namespaces, the masks are part of each app's plan.
 *
 * @throws {Error} when an annotation is neither `true` nor `false`.
 */
export function planPodMaskedPaths(pod: Pod, options: MaskOptions): MaskedPath[] {
  const { maskedPaths } = readPolicy(pod, options.flavor);
  if (options.flavor === "host" || options.disablePaths || !maskedPaths) return [];
  return planMaskedPaths(maskedPaths, options);
}

function devicesAmong(volumes: readonly VolumeMount[], { sources }: HostFacts): DeviceNumber[] {
  const paths = volumes.flatMap(({ volume }) => volume.kind === "host" ? [volume.source] : []);
  return [...new Set(paths)].map((path) => sources.get(path)?.device)
    .filter((device) => device !== undefined);
}

/**
 * The app that `run` becomes has the caller's streams. So has an app that is alone in the host's
 * namespaces with its handlers, unless its annotations say something else.
 */
function planStreams(
  pod: Pod,
  { field, runtime: { annotations } }: PodApp,
  { flavor, interactive, isBecome }: AppOptions,
  { callerStreams }: HostFacts,
): StdioPlan {
  if (isBecome) return CALLERS_STREAMS;
  const severalApps = pod.apps.length > 1 || isMutable(pod);
  const defaults = flavor === "host" && !severalApps ? CALLERS_STREAMS : LOGGED_STREAMS;
  const request = { place: field, annotations, interactive, severalApps, defaults };
  const plan = planStdio({ ...request, callers: callerStreams });
  const areCallers = STREAMS.every((stream) => plan[stream] === defaults[stream]);
  return areCallers ? defaults : plan;
}

function notesOnStreams(
  { field, runtime: { annotations } }: PodApp,
  { isBecome, isLogged }: { isBecome: boolean; isLogged: boolean },
): string[] {
  const places = [
    ...(isBecome ? placesOfStreamAnnotations(annotations) : []),
    ...(isLogged ? [] : placesOfAnnotations(annotations, LOG_ANNOTATIONS)),
  ];
  return places.map((place) =>
    tellIgnored("pod: apps[].annotations, one app in the host's namespaces", `${field}.${place}`)
  );
}

function notesOnImageAnnotations(app: PodApp): string[] {
  return foreignAnnotationsOf(app).map(({ name, place }) =>
    tellIgnored("image: annotations, the operator's alone", `${place} (${name})`)
  );
}

/** Who will attach to a terminal, and from which, nobody knows when the app starts. */
function terminalTypeOf({ stdin }: StdioPlan, facts: HostFacts): string | undefined {
  if (stdin === "tty") return ATTACHED_TERMINAL;
  const isCallers = stdin === "caller" && facts.callerStreams.stdin === "terminal";
  return isCallers || isTerminalTarget(stdin) ? facts.terminalType : undefined;
}

/** stage0 gives the files of an app to the pod's users only without an overlay. */
function notesOnForeignFiles(
  { field, name }: PodApp,
  ids: IdRange | undefined,
  { rootOwners }: HostFacts,
): string[] {
  const owner = rootOwners.get(name);
  if (owner === undefined || podId(owner, ids) !== undefined) return [];
  return [`${field}: its files belong to no user of the pod: --private-users takes --no-overlay`];
}
