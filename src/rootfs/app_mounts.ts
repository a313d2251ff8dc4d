/**
 * The mounts in an app's root: each step of the plan, put in place.
 *
 * @module
 */

import { isCgroup } from "../linux/cgroup_paths.ts";
import type { Fd } from "../linux/fd.ts";
import {
  attachTree,
  cloneTreeAt,
  detachMountOf,
  makeTmpfs,
  setPropagationOf,
  type TreeChange,
} from "../linux/mount.ts";
import { readMounts } from "../linux/mount_table.ts";
import { isWithin } from "../linux/mountinfo.ts";
import { O_PATH, openBeneath } from "../linux/open.ts";
import { setOwnerAt } from "../linux/ownership.ts";
import { statFd } from "../linux/stat.ts";
import {
  type BindStep,
  type CgroupStep,
  type HostTreeStep,
  isLeftToVolumes,
  KERNEL_TREES,
  type MountStep,
  type PodTreeStep,
  type RebindStep,
  type TmpfsStep,
} from "../plan/rootfs/mount_steps.ts";
import { samePath } from "../plan/rootfs/volumes.ts";
import { type KernelTrees, maskPath } from "./app_masks.ts";
import {
  type AppRoot,
  makeRootDirectory,
  openRootDirectory,
  openTarget,
  type TargetKind,
  writeIfMissing,
} from "./target.ts";

/** An app's root, with the mounts that are in place by now. */
export interface MountedRoot extends AppRoot {
  kernelTrees: KernelTrees;
}

/** Trees that are cloned but not in place yet, by the steps that put them there. */
export type MountTrees = ReadonlyMap<MountStep, Fd>;

/** The step of a tree that is the pod's own. */
type OwnTreeStep = PodTreeStep | CgroupStep | TmpfsStep;

/**
 * Puts one step of the plan in place.
 *
 * @param trees The clones for the plan's mounts. The one of this step is closed, unless it is one
 * of the kernel's file systems.
 * @returns Notes on a step that is left out because a volume is at its place.
 * @throws {Error} when the target cannot be used, or when the tree has not been cloned.
 * @throws {SyscallError} when a mount cannot be made.
 */
export function placeMount(root: MountedRoot, step: MountStep, trees: MountTrees): string[] {
  if (step.kind === "bind" || step.kind === "rebind") return placeUnlessTaken(root, step, trees);
  placeOwn(root, step, trees);
  return [];
}

/** Puts in place what is the pod's own. Volumes go over it. */
function placeOwn(
  root: MountedRoot,
  step: Exclude<MountStep, BindStep | RebindStep>,
  trees: MountTrees,
): void {
  switch (step.kind) {
    case "file":
      return writeIfMissing(root, step.target, step.text);
    case "directory":
      return makeRootDirectory(root, step.target, step.mode);
    case "mask":
      return maskPath(root.kernelTrees, step);
    case "tmpfs":
      return placeTree(root, step, makeTmpfs(step.options));
    case "host-tree":
      return placeKernelTree(root, step, treeOf(step, trees));
    case "cgroup": {
      uncoverCgroups(root, step);
      // The host may have let no such cgroup be made, or shown.
      const tree = trees.get(step);
      return tree && placeTree(root, step, tree);
    }
    case "pod-tree":
      return isKernelTree(step)
        ? placeKernelTree(root, step, treeOf(step, trees))
        : placeTree(root, step, treeOf(step, trees));
  }
}

function placeUnlessTaken(
  root: MountedRoot,
  step: BindStep | RebindStep,
  trees: MountTrees,
): string[] {
  using tree = step.kind === "bind" ? treeOf(step, trees) : undefined;
  const isVolume = step.role === "volume";
  using target = openTarget(root, step.target, tree ? kindFor(tree) : "any", isVolume);
  const taker = takerOf(root, target, step);
  if (taker !== undefined) {
    if (isVolume) {
      throw new Error(`duplicate mount: ${step.target} leads to where ${taker} is`);
    }
    return isLeftToVolumes(step.role)
      ? [`${step.field}: ignored: ${taker} is at ${step.target}`]
      : [];
  }
  if (tree !== undefined) {
    takePlace(root, step, tree, target);
  } else {
    using part = cloneTreeAt(target, true);
    takePlace(root, step, part, target);
  }
  return [];
}

function takePlace(root: MountedRoot, step: BindStep | RebindStep, tree: Fd, target: Fd): void {
  attachPrivately(root, step, tree, target);
  const { mountId } = statFd(tree);
  root.taken.set(mountId, step.field);
  if (step.role === "volume" && !step.readOnly) root.hostVolumes.add(mountId);
}

/**
 * Finds out what is mounted right at a target.
 *
 * @returns The field that asks for it; `undefined` if it is what all apps have, or nothing.
 * @throws {Error} when it is one of the kernel's file systems, and only a link leads there.
 */
function takerOf(
  { taken, kernelTrees }: MountedRoot,
  target: Fd,
  step: BindStep | RebindStep,
): string | undefined {
  const { isMountRoot, mountId } = statFd(target);
  if (!isMountRoot) return undefined;
  for (const [top, tree] of kernelTrees) {
    if (statFd(tree).mountId !== mountId || samePath(top, step.target)) continue;
    throw new Error(`${step.target} leads to ${top}, which is the kernel's`);
  }
  return taken.get(mountId);
}

function kindFor(tree: Fd): TargetKind {
  const { kind } = statFd(tree);
  return kind === "directory" ? kind : "file";
}

function treeOf(step: BindStep | HostTreeStep | PodTreeStep, trees: MountTrees): Fd {
  const tree = trees.get(step);
  if (tree === undefined) throw new Error(`nothing has been cloned for ${step.target}`);
  return tree;
}

function placeTree(root: MountedRoot, step: OwnTreeStep, tree: Fd): void {
  using target = isInKernelTree(root, step)
    ? openInKernelTree(root, step)
    : openTarget(root, step.target, kindFor(tree));
  attachPrivately(root, step, tree, target);
  tree[Symbol.dispose]();
}

/**
 * Takes away what the pod's own root shows of cgroups by the time that an app is added: the app
 * sees its own alone.
 */
function uncoverCgroups(root: MountedRoot, step: CgroupStep): void {
  using target = openInKernelTree(root, step);
  if (statFd(target).isMountRoot && isCgroup(target)) detachMountOf(target);
}

/** The apps of a pod share its /dev. A link that one of them has put there is not followed. */
function openInKernelTree(root: MountedRoot, { target }: OwnTreeStep): Fd {
  return openBeneath(root.fd, target.slice(1), O_PATH);
}

/** Attaches a tree so that nothing of it appears on the host. */
function attachPrivately(
  root: MountedRoot,
  step: BindStep | RebindStep | OwnTreeStep,
  tree: Fd,
  target: Fd,
): void {
  const { kind, mountId } = statFd(tree);
  const { mountId: place } = statFd(target);
  if (!root.ownMounts.has(place) && !isInKernelTree(root, step)) makeSlave(target);
  if (root.owner && kind === "file" && isOfPod(step)) setOwnerAt(tree, "", root.owner);
  attachTree(tree, target, changeOf(step));
  if (isOwn(root, step, place)) root.ownMounts.add(mountId);
}

/** Tells whether a mount goes with the pod: a part of what is in place already is what that is. */
function isOwn(
  { ownMounts }: MountedRoot,
  step: BindStep | RebindStep | OwnTreeStep,
  place: number,
): boolean {
  if (step.kind === "rebind") return ownMounts.has(place);
  return step.kind !== "bind" || isOfPod(step);
}

/**
 * Tells whether a tree of the pod goes into one of the pod's own kernel file systems: that came
 * with its submounts, all private, before any volume was in place.
 */
function isInKernelTree(
  { kernelTrees }: MountedRoot,
  { kind, target }: MountStep,
): boolean {
  return (kind === "pod-tree" || kind === "cgroup") &&
    [...kernelTrees.keys()].some((top) => isWithin(target, top));
}

function isKernelTree({ target }: PodTreeStep): boolean {
  return KERNEL_TREES.some((path) => path === target);
}

function placeKernelTree(root: MountedRoot, step: HostTreeStep | PodTreeStep, tree: Fd): void {
  using target = openRootDirectory(root, step.target);
  attachTree(tree, target, changeOf(step));
  if (step.kind === "pod-tree") root.ownMounts.add(statFd(tree).mountId);
  root.kernelTrees.set(step.target, tree);
}

/** Of cgroups there is only a look at them. */
const CGROUP_CHANGE: TreeChange = {
  readOnly: true,
  noDevices: true,
  noPrograms: true,
  propagation: "private",
};

function changeOf(
  step: BindStep | RebindStep | HostTreeStep | OwnTreeStep,
): TreeChange {
  if (step.kind === "host-tree") return { propagation: "slave" };
  if (step.kind === "tmpfs") return {};
  if (step.kind === "cgroup") return CGROUP_CHANGE;
  const { readOnly } = step;
  if (step.kind !== "bind") return { readOnly, propagation: "private" };
  const { noDevices } = step;
  if (step.propagation === "as-source") return { readOnly, noDevices };
  return { readOnly, noDevices, propagation: step.propagation };
}

/**
 * Makes the mount that a target is in a slave, where it is a volume shared with the host: else what
 * is mounted on the target would appear on the host as well.
 */
function makeSlave(target: Fd): void {
  const { mountId } = statFd(target);
  const mount = readMounts().find(({ id }) => id === mountId);
  if (mount?.propagation === "shared") setPropagationOf(mount, "slave");
}

/** Tells whether a volume is in the pod directory: such sources have relative paths. */
function isOfPod(step: MountStep): boolean {
  return step.kind === "bind" && !step.source.startsWith("/");
}
