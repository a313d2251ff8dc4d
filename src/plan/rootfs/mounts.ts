/**
 * The mounts in an app's root, decided before anything is touched. Pure.
 *
 * @module
 */

import type { Volume } from "../../appc/manifest.ts";
import { isWithin, type Mount, type Propagation, reachableMounts } from "../../linux/mountinfo.ts";
import type { DeviceNumber } from "../../linux/stat.ts";
import type { DnsConfMode } from "../../stage1/arguments.ts";
import { withContext } from "../../stage1/context.ts";
import type { Flavor } from "../../stage1/flavor.ts";
import { POD_PATHS } from "../../stage1/pod_directory.ts";
import { type Hierarchy, hierarchyPath } from "../cgroup/names.ts";
import { hostId, type IdRange } from "../id_range.ts";
import { NOTIFY_TARGET } from "../notification.ts";
import { planMaskedPaths } from "./masked_paths.ts";
import {
  type BindStep,
  type CgroupStep,
  type DirectoryStep,
  type FileStep,
  type HostTreeStep,
  KERNEL_TREES,
  type MaskStep,
  type MountStep,
  type NewDirectoryStep,
  type PodTreeStep,
  type RebindStep,
  type ShareStep,
  type TmpfsStep,
} from "./mount_steps.ts";
import { leadsTo } from "./source_links.ts";
import type { VolumeMount } from "./volumes.ts";

/** All that is done to the host's and the app's file systems, in order. */
export interface MountPlan {
  share: ShareStep[];
  directories: DirectoryStep[];
  /**
   * Volumes are in the order of their targets' texts. Links in the app's root may change it: see
   * `volume_order.ts`.
   */
  mounts: MountStep[];
  /** Whether the app's own root is made read-only once everything is in it. */
  readOnlyRoot: boolean;
  /** Whether device files in the app's own root cannot be opened. */
  noDevices: boolean;
}

/** What decides about an app's file systems besides its volumes. */
export interface MountOptions {
  flavor: Flavor;
  /** The app's name. */
  app: string;
  /** Whether the pod has a network of its own. */
  hasNetwork: boolean;
  /** The pod's host name, if it has its own. */
  hostname: string | undefined;
  /** The pod's ids, if it has its own. */
  ids: IdRange | undefined;
  dns: DnsConfMode;
  readOnlyRoot: boolean;
  /** Whether device files can be opened only in /dev, and where a volume is one. */
  restrictDevices: boolean;
  /** What asks for the kernel's paths to be masked; undefined if nothing does. */
  maskedPaths: string | undefined;
  /** Whether the app has a terminal of the pod's. */
  hasTerminal: boolean;
  /** The socket by which the app tells that it is ready, if that is a file. */
  notifySocket: string | undefined;
}

/** Facts of a volume's source. */
export interface SourceFacts {
  /** Its path, with all links resolved. */
  realPath: string;
  /** The mount that it is in. */
  mountId: number;
  /** Whether it is the root of that mount. */
  isMountRoot: boolean;
  /** The device that it stands for, if it is a device file. */
  device: DeviceNumber | undefined;
}

/** Facts of the host's mounts, and of the sources of volumes. */
export interface MountFacts {
  mounts: readonly Mount[];
  /** By the path that the volume's `source` gives. */
  sources: ReadonlyMap<string, SourceFacts>;
}

/** The /etc/hosts of an app without one. */
const FALLBACK_HOSTS: Readonly<Record<string, string>> = {
  "127.0.0.1": "localhost localhost.domain localhost4 localhost4.localdomain4",
  "::1": "localhost localhost.domain localhost6 localhost6.localdomain6",
};

/**
 * Decides all mounts of an app.
 *
 * @param volumes What {@linkcode matchVolumes} returned.
 * @throws {Error} when a volume's source is not among the facts.
 */
export function planMounts(
  volumes: readonly VolumeMount[],
  options: MountOptions,
  facts: MountFacts,
): MountPlan {
  const { flavor, hostname, ids, dns, readOnlyRoot, restrictDevices } = options;
  const hasSys = !volumes.some(({ target }) => isInSys(target));
  return {
    share: uniqueBy(volumes.flatMap((mount) => shareFor(mount, facts)), "id"),
    directories: uniqueBy(volumes.flatMap((mount) => directoryFor(mount, ids)), "path"),
    mounts: [
      ...(flavor === "isolated" ? podFileSystems(hasSys, options) : hostFileSystems(options)),
      flavor === "isolated" ? TMP_DIRECTORY : HOST_TMPFS,
      ...fallbackFiles(dns, hostname),
      ...(hostname === undefined ? [] : [HOSTNAME_FILE]),
      ...volumes.map((mount) => bindVolume(mount, restrictDevices, facts)),
      ...dnsFiles(dns, restrictDevices),
      ...(options.notifySocket === undefined ? [] : [notifySocket(options.notifySocket)]),
    ],
    readOnlyRoot,
    noDevices: restrictDevices,
  };
}

/** An isolated app with a volume in /sys has no sysfs beside it, as in rkt's default stage1. */
function isInSys(target: string): boolean {
  return isWithin(target.replaceAll(/\/+/g, "/"), "/sys");
}

/** The host's kernel file systems, and the masks of paths in them. */
function hostFileSystems(options: MountOptions): (HostTreeStep | MaskStep)[] {
  const { maskedPaths: field } = options;
  const masks = field === undefined ? [] : planMaskedPaths(field, options);
  return [
    ...KERNEL_TREES.map((target): HostTreeStep => ({ kind: "host-tree", target, field: target })),
    ...masks.map((mask): MaskStep => ({ kind: "mask", ...mask })),
  ];
}

/** A directory in the root of an isolated pod with the /dev/log of each of its apps. */
export const SYSLOG_DIRECTORY = "/syslog";

/** Returns the path of an app's /dev/log in the pod's own root. */
export function syslogPath(app: string): string {
  return `${SYSLOG_DIRECTORY}/${app}`;
}

/**
 * The console of an app without a terminal: a null device in the root of an isolated pod, out of
 * the reach of apps, which may remove what is in /dev.
 */
export const NULL_CONSOLE = "/null-console";

/** The pod's only terminal: the first one in its directory of terminals. */
const POD_TERMINAL = "/dev/pts/0";

/**
 * In the pod's own kernel file systems, the paths that have to be are already masked. The console
 * and the log come right after /dev, before anything in there is the app's.
 */
function podFileSystems(hasSys: boolean, { app, hasTerminal }: MountOptions) {
  const console = hasTerminal ? POD_TERMINAL : NULL_CONSOLE;
  return [
    podTree("/dev", "/dev", false, "/dev"),
    podTree(console, "/dev/console", true, "/dev/console"),
    podTree(syslogPath(app), "/dev/log", true, "/dev/log"),
    podTree("/proc", "/proc", false, "/proc"),
    ...(hasSys ? [podTree("/sys", "/sys", true, "/sys")] : []),
  ];
}

/**
 * Adds an app's cgroups to its mounts, right after the /sys of an isolated pod. An app without that
 * /sys has none.
 *
 * @param cgroups The hierarchies in which the app has a cgroup, and the path of each on the host.
 */
export function withCgroups(
  mounts: readonly MountStep[],
  cgroups: readonly (Hierarchy & { path: string })[],
): MountStep[] {
  const steps = cgroups.map((cgroup): CgroupStep => {
    const target = hierarchyPath(cgroup, cgroups);
    return { kind: "cgroup", source: cgroup.path, target, readOnly: true, field: target };
  });
  const isSys = (step: MountStep) => step.kind === "pod-tree" && step.target === "/sys";
  return mounts.flatMap((step) => isSys(step) ? [step, ...steps] : [step]);
}

function podTree(source: string, target: string, readOnly: boolean, field: string): PodTreeStep {
  return { kind: "pod-tree", source, target, readOnly, field };
}

/** As in rkt's fly. */
const HOST_TMPFS: TmpfsStep = {
  kind: "tmpfs",
  target: "/tmp",
  options: { mode: "1777" },
  field: "/tmp",
};

/** As in rkt's default stage1, an isolated app has its image's own, in the app's root. */
const TMP_DIRECTORY: NewDirectoryStep = {
  kind: "directory",
  target: "/tmp",
  mode: 0o1777,
  field: "/tmp",
};

function bindVolume(
  { volume, target, readOnly, isDefault, field }: VolumeMount,
  restrictDevices: boolean,
  { sources }: MountFacts,
): BindStep | RebindStep {
  if (volume.kind === "own") return { kind: "rebind", role: "default", target, readOnly, field };
  const recursive = volume.kind === "host" && isRecursive(volume);
  const source = volume.kind === "host" ? volume.source : emptyVolumePath(volume);
  const facts = sources.get(source);
  return {
    kind: "bind",
    role: isDefault ? "default" : "volume",
    source,
    leadsTo: facts && leadsTo(source, facts.realPath),
    target,
    recursive,
    readOnly,
    // Later mounts would come in writable, so a read-only volume gets none.
    propagation: readOnly || volume.kind === "empty" ? "private" : "as-source",
    noDevices: restrictDevices && facts?.device === undefined,
    field,
  };
}

/**
 * If the source is itself a mount of the host, that mount is made shared, so that mounts of the app
 * reach the host. A volume that asks to be recursive also gets later mounts of the host, wherever
 * in it they appear.
 */
function shareFor({ volume, readOnly }: VolumeMount, { mounts, sources }: MountFacts): ShareStep[] {
  if (volume.kind !== "host" || readOnly) return [];
  const facts = sources.get(volume.source);
  if (facts === undefined) throw new Error(`${volume.source}: not looked at`);

  const own = mounts.find(({ id }) => id === facts.mountId);
  if (own === undefined) return [];
  const below = isRecursive(volume)
    ? reachableMounts(mounts, own.id)
      .filter(({ id, mountPoint }) => id !== own.id && isWithin(mountPoint, facts.realPath))
    : [];
  const wanted = facts.isMountRoot || volume.recursive ? [own, ...below] : [];
  return wanted
    .filter(({ propagation }) => propagation === "private" || isSlaveToShare(propagation, facts))
    .map(({ id, mountPoint }) => ({ id, mountPoint }));
}

/**
 * A slave already receives the host's mounts. Only a volume's own mount has to send some as well.
 */
function isSlaveToShare(propagation: Propagation, { isMountRoot }: SourceFacts): boolean {
  return propagation === "slave" && isMountRoot;
}

/** By the spec, volumes are recursive unless they say otherwise. */
function isRecursive(volume: Volume & { kind: "host" }): boolean {
  return volume.recursive ?? true;
}

function directoryFor({ volume, field }: VolumeMount, ids: IdRange | undefined): DirectoryStep[] {
  if (volume.kind !== "empty") return [];
  const { name, uid = 0, gid = 0 } = volume;
  return [{
    path: emptyVolumePath(volume),
    mode: parseInt(volume.mode ?? "0755", 8),
    uid: withContext(`${field}: uid of volume "${name}"`, () => hostId(uid, ids)),
    gid: withContext(`${field}: gid of volume "${name}"`, () => hostId(gid, ids)),
  }];
}

function emptyVolumePath({ name }: Volume): string {
  return `${POD_PATHS.sharedVolumes}/${name}`;
}

function fallbackFiles({ hosts }: DnsConfMode, hostname?: string): FileStep[] {
  if (hosts !== "default") return [];
  const lines = Object.entries(FALLBACK_HOSTS).map(([address, names]) =>
    [address, names, ...(hostname ? [hostname] : [])].join(" ")
  );
  const text = lines.map((line) => `${line}\n`).join("");
  return [{ kind: "file", target: "/etc/hosts", text, field: "hosts=default" }];
}

/** The kernel's own file, so that it stays true whoever changes the name. */
const HOSTNAME_FILE: PodTreeStep = {
  kind: "pod-tree",
  source: "/proc/sys/kernel/hostname",
  target: "/etc/hostname",
  readOnly: true,
  field: "/etc/hostname",
};

function dnsFiles({ resolv, hosts }: DnsConfMode, noDevices: boolean): BindStep[] {
  const files: Omit<BindStep, "noDevices">[] = [];
  if (resolv === "host") files.push(hostFile("/etc/resolv.conf", "resolv=host"));
  if (resolv === "stage0") {
    files.push(podFile(POD_PATHS.resolvConf, "/etc/resolv.conf", "resolv=stage0"));
  }
  if (hosts === "host") files.push(hostFile("/etc/hosts", "hosts=host"));
  if (hosts === "stage0") files.push(podFile(POD_PATHS.hosts, "/etc/hosts", "hosts=stage0"));
  return files.map((file) => ({ ...file, noDevices }));
}

/** Returns the mount of the resolv.conf that a network brings. */
export function networkResolvConf(noDevices: boolean): BindStep {
  return { ...podFile(POD_PATHS.resolvConf, "/etc/resolv.conf", "resolv=default"), noDevices };
}

function hostFile(path: string, field: string): Omit<BindStep, "noDevices"> {
  return { ...fileBind(path, path, field), readOnly: true };
}

/** The pod's own copy, which the app may change. */
function podFile(source: string, target: string, field: string): Omit<BindStep, "noDevices"> {
  return fileBind(source, target, field);
}

function notifySocket(source: string): BindStep {
  return {
    ...fileBind(source, NOTIFY_TARGET, "socket"),
    role: "notify-socket",
    noDevices: false,
    field: "NOTIFY_SOCKET",
  };
}

function fileBind(source: string, target: string, field: string): Omit<BindStep, "noDevices"> {
  return {
    kind: "bind",
    role: "name-file",
    source,
    leadsTo: undefined,
    target,
    recursive: false,
    readOnly: false,
    propagation: "private",
    field: `--dns-conf-mode: ${field}`,
  };
}

function uniqueBy<T, K extends keyof T>(items: readonly T[], key: K): T[] {
  return [...new Map(items.map((item) => [item[key], item])).values()];
}
