/**
 * The steps by which an app's file systems are made, as a plan has them. Pure.
 *
 * @module
 */

import type { MaskedPath } from "./masked_paths.ts";

/** A mount of the host that is made shared, so that mounts propagate between it and the app. */
export interface ShareStep {
  id: number;
  mountPoint: string;
}

/** A directory to make in the pod directory for an `empty` volume. */
export interface DirectoryStep {
  /** Relative to the pod directory. */
  path: string;
  mode: number;
  /** The owner, in the host's numbers. */
  uid: number;
  gid: number;
}

/**
 * What a mount is to the app, which decides what comes of it where a volume is at its place
 * already:
 *
 * - a `volume` is an error there;
 * - a `default` is left out: the volume of a mount point that got none;
 * - a `name-file` is left out, and that is said: /etc/resolv.conf or /etc/hosts as an option or a
 *   network has it;
 * - so is a `notify-socket`, by which the app tells that it is ready.
 */
export type MountRole = "volume" | "default" | "name-file" | "notify-socket";

/** A path of the host that appears in the app. */
export interface BindStep {
  kind: "bind";
  role: MountRole;
  /** On the host; relative to the pod directory unless absolute. */
  source: string;
  /** Where the source really is, if links lead there. */
  leadsTo: string | undefined;
  target: string;
  recursive: boolean;
  readOnly: boolean;
  /** Which later mounts propagate: as they do to and from the source, or none. */
  propagation: "as-source" | "private";
  /** Whether device files in it cannot be opened. */
  noDevices: boolean;
  /** The field or option that asks for it. */
  field: string;
}

/** The paths of the kernel's file systems, in the app as on the host. */
export const KERNEL_TREES = ["/dev", "/proc", "/sys"] as const;

/** One of the host's kernel file systems, with what the host mounts in it later. */
export interface HostTreeStep {
  kind: "host-tree";
  target: typeof KERNEL_TREES[number];
  field: string;
}

/** A path of an isolated pod's own root, with all mounts there, that appears in the app. */
export interface PodTreeStep {
  kind: "pod-tree";
  /** The path in the pod's own root. */
  source: string;
  target: string;
  readOnly: boolean;
  field: string;
}

/** A cgroup of the app's, which the app sees as the first one of its hierarchy. */
export interface CgroupStep {
  kind: "cgroup";
  /** The cgroup's absolute path on the host. */
  source: string;
  target: string;
  readOnly: true;
  field: string;
}

/** A path of the host's kernel file systems that is hidden or read-only in the app. */
export interface MaskStep extends MaskedPath {
  kind: "mask";
}

/** A path of the app that becomes a mount of its own, which can be read-only. */
export interface RebindStep {
  kind: "rebind";
  role: "default";
  target: string;
  readOnly: boolean;
  field: string;
}

/** A new tmpfs in the app. */
export interface TmpfsStep {
  kind: "tmpfs";
  target: string;
  options: Record<string, string>;
  field: string;
}

/** A directory to make right in the app's root if nothing is there. */
export interface NewDirectoryStep {
  kind: "directory";
  target: string;
  mode: number;
  field: string;
}

/** A file to write into the app's root if it has none there. */
export interface FileStep {
  kind: "file";
  target: string;
  text: string;
  field: string;
}

/** One thing that becomes visible in the app's root. */
export type MountStep =
  | BindStep
  | HostTreeStep
  | PodTreeStep
  | CgroupStep
  | MaskStep
  | RebindStep
  | TmpfsStep
  | NewDirectoryStep
  | FileStep;

/** The step of a volume. Such steps come one after the other in a plan. */
export type VolumeStep = BindStep | RebindStep;

/** Parts the mounts of a plan in those of volumes, and those before and after them. */
export function partMounts(mounts: readonly MountStep[]) {
  const isVolume = (step: MountStep): step is VolumeStep =>
    "role" in step && !isLeftToVolumes(step.role);
  const isAfter = (step: MountStep) => step.kind === "bind" && !isVolume(step);
  return {
    before: mounts.filter((step) => !isVolume(step) && !isAfter(step)),
    volumes: mounts.filter(isVolume),
    after: mounts.filter(isAfter),
  };
}

/** Tells whether a mount is left out where a volume is, and that is said. */
export function isLeftToVolumes(role: MountRole): boolean {
  return role === "name-file" || role === "notify-socket";
}
