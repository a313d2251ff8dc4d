/**
 * The mounts in an app's root: each step of the plan, put in place.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import {
  attachTree,
  cloneTreeAt,
  makeTmpfs,
  setPropagationOf,
  type TreeChange,
} from "../linux/mount.ts";
import { readMounts } from "../linux/mount_table.ts";
import { isWithin } from "../linux/mountinfo.ts";
import { setOwnerAt } from "../linux/ownership.ts";
import { statFd } from "../linux/stat.ts";
import {
  type BindStep,
  type HostTreeStep,
  KERNEL_TREES,
  type MountStep,
  type PodTreeStep,
  type RebindStep,
  type TmpfsStep,
} from "../plan/rootfs/mounts.ts";
import { type KernelTrees, maskPath } from "./app_masks.ts";
import {
  type AppRoot,
  makeRootDirectory,
  openRootDirectory,
  openTarget,
  writeIfMissing,
} from "./target.ts";

/** An app's root, with the mounts that are in place by now. */
export interface MountedRoot extends AppRoot {
  kernelTrees: KernelTrees;
}

/** Trees that are cloned but not in place yet, by the steps that put them there. */
export type MountTrees = ReadonlyMap<MountStep, Fd>;

/**
 * Puts one step of the plan in place.
 *
 * @param trees The clones for the plan's mounts. The one of this step is closed, unless it is one
 * of the kernel's file systems.
 * @throws {Error} when the target cannot be used, or when the tree has not been cloned.
 * @throws {SyscallError} when a mount cannot be made.
 */
export function placeMount(root: MountedRoot, step: MountStep, trees: MountTrees): void {
  switch (step.kind) {
    case "file":
      return writeIfMissing(root, step.target, step.text);
    case "directory":
      return makeRootDirectory(root, step.target, step.mode);
    case "rebind":
      return rebind(root, step);
    case "mask":
      return maskPath(root.kernelTrees, step);
    case "tmpfs":
      return placeTree(root, step, makeTmpfs(step.options));
    case "bind":
      return placeTree(root, step, treeOf(step, trees));
    case "host-tree":
      return placeKernelTree(root, step, treeOf(step, trees));
    case "pod-tree":
      return isKernelTree(step)
        ? placeKernelTree(root, step, treeOf(step, trees))
        : placeTree(root, step, treeOf(step, trees));
  }
}

function treeOf(step: BindStep | HostTreeStep | PodTreeStep, trees: MountTrees): Fd {
  const tree = trees.get(step);
  if (tree === undefined) throw new Error(`nothing has been cloned for ${step.target}`);
  return tree;
}

function placeTree(root: MountedRoot, step: BindStep | PodTreeStep | TmpfsStep, tree: Fd): void {
  const { kind, mountId } = statFd(tree);
  using target = openTarget(root, step.target, kind === "directory" ? kind : "file");
  const { mountId: place } = statFd(target);
  if (!root.ownMounts.has(place) && !isInKernelTree(root, step)) makeSlave(target);
  if (root.owner && kind === "file" && isOfPod(step)) setOwnerAt(tree, "", root.owner);
  attachTree(tree, target, changeOf(step));
  if (step.kind !== "bind" || isOfPod(step)) root.ownMounts.add(mountId);
  tree[Symbol.dispose]();
}

/**
 * Tells whether a tree of the pod goes into one of the pod's own kernel file systems: that came
 * with its submounts, all private, before any volume was in place.
 */
function isInKernelTree(
  { kernelTrees }: MountedRoot,
  { kind, target }: BindStep | PodTreeStep | TmpfsStep,
): boolean {
  return kind === "pod-tree" && [...kernelTrees.keys()].some((top) => isWithin(target, top));
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

/**
 * Mounts a part of the app's root onto itself, so that it can be read-only while the rest is not.
 */
function rebind(root: AppRoot, { target, readOnly }: RebindStep): void {
  using place = openTarget(root, target, "any");
  using tree = cloneTreeAt(place, true);
  attachTree(tree, place, { readOnly, propagation: "private" });
}

function changeOf(step: BindStep | HostTreeStep | PodTreeStep | TmpfsStep): TreeChange {
  if (step.kind === "host-tree") return { propagation: "slave" };
  if (step.kind === "tmpfs") return {};
  const { readOnly } = step;
  if (step.kind === "pod-tree") return { readOnly, propagation: "private" };
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
