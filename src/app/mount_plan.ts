/**
 * What is mounted where in an app's root, decided before anything is touched. Pure.
 *
 * @module
 */

import type { Volume } from "../appc/manifest.ts";
import type { Propagation } from "../linux/mount.ts";
import { isWithin, type Mount } from "../linux/mountinfo.ts";
import type { DnsConfMode } from "../stage1/arguments.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { protectKernelPaths } from "./kernel_paths.ts";
import type { VolumeMount } from "./volumes.ts";

/** A mount of the host that has to be shared, so that mounts travel between it and the app. */
export interface ShareStep {
  mountPoint: string;
}

/** A directory to make in the pod directory: an `empty` volume. */
export interface DirectoryStep {
  /** Relative to the pod directory. */
  path: string;
  mode: number;
  uid: number;
  gid: number;
}

/** A path of the host that appears in the app. */
export interface BindStep {
  kind: "bind";
  /** On the host; relative to the pod directory unless absolute. */
  source: string;
  target: string;
  recursive: boolean;
  readOnly: boolean;
  /** Which later mounts travel: as they do to and from the source, only to the app, or none. */
  propagation: "as-source" | "slave" | "private";
  /** What asks for it. */
  field: string;
}

/** A fresh tmpfs in the app. */
export interface TmpfsStep {
  kind: "tmpfs";
  target: string;
  options: Record<string, string>;
  readOnly: boolean;
  field: string;
}

/** A file to write into the app's root where there is none. */
export interface FileStep {
  kind: "file";
  target: string;
  text: string;
  field: string;
}

/** One thing that becomes visible in the app's root. */
export type MountStep = BindStep | TmpfsStep | FileStep;

/** All that is done to the host's and the app's file systems, in order. */
export interface MountPlan {
  share: ShareStep[];
  directories: DirectoryStep[];
  mounts: MountStep[];
  /** Whether the app's own root is made read-only once all is in it. */
  readOnlyRoot: boolean;
}

/** What shapes an app's file systems beside its volumes. */
export interface MountOptions {
  dns: DnsConfMode;
  readOnlyRoot: boolean;
  /** What asks for the kernel's paths to be protected, if anything does. */
  protectKernelPaths: string | undefined;
}

/** What has to be known of a volume's source to decide about it. */
export interface SourceFacts {
  /** Its path with all links resolved. */
  realPath: string;
  /** The mount that it is in. */
  mountId: number;
  /** Whether a mount begins right there. */
  isMountRoot: boolean;
}

/** What has to be known of the host. */
export interface HostFacts {
  mounts: readonly Mount[];
  /** By the path that the volume's `source` gives. */
  sources: ReadonlyMap<string, SourceFacts>;
  /** Those of {@linkcode KERNEL_PATHS} that there are. */
  kernelPaths: ReadonlySet<string>;
}

const FALLBACK_HOSTS = "127.0.0.1 localhost localhost.localdomain\n::1 localhost\n";

/**
 * Decides all mounts of an app.
 *
 * @param volumes What {@linkcode matchVolumes} returned.
 * @throws {Error} when a volume's source is not among the facts.
 */
export function planMounts(
  volumes: readonly VolumeMount[],
  { dns, readOnlyRoot, protectKernelPaths: protector }: MountOptions,
  facts: HostFacts,
): MountPlan {
  return {
    share: unique(volumes.flatMap((mount) => shareFor(mount, facts))),
    directories: uniqueBy(volumes.flatMap(({ volume }) => directoryFor(volume)), "path"),
    mounts: [
      ...hostFileSystems(),
      ...(protector === undefined ? [] : protectKernelPaths(facts.kernelPaths, protector)),
      ...fallbackFiles(dns),
      ...volumes.map(bindVolume),
      ...dnsFiles(dns),
    ],
    readOnlyRoot,
  };
}

/** The host's own, with what the host mounts there later; nothing of the app's comes back. */
function hostFileSystems(): MountStep[] {
  const binds = ["/dev", "/proc", "/sys"].map((path): BindStep => ({
    kind: "bind",
    source: path,
    target: path,
    recursive: true,
    readOnly: false,
    propagation: "slave",
    field: path,
  }));
  return [...binds, tmpfs("/tmp")];
}

function tmpfs(target: string): TmpfsStep {
  return { kind: "tmpfs", target, options: { mode: "1777" }, readOnly: false, field: target };
}

function bindVolume({ volume, target, readOnly, field }: VolumeMount): BindStep {
  const recursive = volume.kind === "host" && isRecursive(volume);
  return {
    kind: "bind",
    source: volume.kind === "host" ? volume.source : emptyVolumePath(volume),
    target,
    recursive,
    readOnly,
    // What is mounted later would come in writable: a read-only volume stays as it was at the start.
    propagation: readOnly || volume.kind === "empty" ? "private" : "as-source",
    field,
  };
}

/**
 * A source that is a mount of the host's own is made shared, for mounts of the app to reach the host.
 * A volume that asks to be recursive gets later mounts of the host too, wherever in it they appear.
 */
function shareFor({ volume, readOnly }: VolumeMount, { mounts, sources }: HostFacts): ShareStep[] {
  if (volume.kind === "empty" || readOnly) return [];
  const facts = sources.get(volume.source);
  if (facts === undefined) throw new Error(`${volume.source}: not looked at`);

  const own = mounts.find(({ id }) => id === facts.mountId);
  if (own === undefined) return [];
  const below = isRecursive(volume)
    ? mounts.filter(({ id, mountPoint }) => id !== own.id && isWithin(mountPoint, facts.realPath))
    : [];
  const wanted = facts.isMountRoot || volume.recursive ? [own, ...below] : [];
  return wanted
    .filter(({ propagation }) => propagation === "private" || isSlaveToShare(propagation, facts))
    .map(({ mountPoint }) => ({ mountPoint }));
}

/** A slave hears of the host's mounts already; only a volume's own mount has to speak as well. */
function isSlaveToShare(propagation: Propagation, { isMountRoot }: SourceFacts): boolean {
  return propagation === "slave" && isMountRoot;
}

/** The spec wants volumes to be recursive unless they say otherwise. */
function isRecursive(volume: Volume & { kind: "host" }): boolean {
  return volume.recursive ?? true;
}

function directoryFor(volume: Volume): DirectoryStep[] {
  if (volume.kind === "host") return [];
  return [{
    path: emptyVolumePath(volume),
    mode: parseInt(volume.mode ?? "0755", 8),
    uid: volume.uid ?? 0,
    gid: volume.gid ?? 0,
  }];
}

function emptyVolumePath({ name }: Volume): string {
  return `${POD_PATHS.sharedVolumes}/${name}`;
}

function fallbackFiles({ hosts }: DnsConfMode): FileStep[] {
  if (hosts !== "default") return [];
  return [{ kind: "file", target: "/etc/hosts", text: FALLBACK_HOSTS, field: "hosts=default" }];
}

function dnsFiles({ resolv, hosts }: DnsConfMode): BindStep[] {
  const files: BindStep[] = [];
  if (resolv === "host") files.push(hostFile("/etc/resolv.conf", "resolv=host"));
  if (resolv === "stage0") {
    files.push(podFile(POD_PATHS.resolvConf, "/etc/resolv.conf", "resolv=stage0"));
  }
  if (hosts === "host") files.push(hostFile("/etc/hosts", "hosts=host"));
  if (hosts === "stage0") files.push(podFile(POD_PATHS.hosts, "/etc/hosts", "hosts=stage0"));
  return files;
}

function hostFile(path: string, field: string): BindStep {
  return { ...fileBind(path, path, field), readOnly: true };
}

/** The pod's own copy: the app may change it. */
function podFile(source: string, target: string, field: string): BindStep {
  return fileBind(source, target, field);
}

function fileBind(source: string, target: string, field: string): BindStep {
  return {
    kind: "bind",
    source,
    target,
    recursive: false,
    readOnly: false,
    propagation: "private",
    field: `--dns-conf-mode: ${field}`,
  };
}

function unique(steps: readonly ShareStep[]): ShareStep[] {
  return uniqueBy(steps, "mountPoint");
}

function uniqueBy<T, K extends keyof T>(items: readonly T[], key: K): T[] {
  return [...new Map(items.map((item) => [item[key], item])).values()];
}
