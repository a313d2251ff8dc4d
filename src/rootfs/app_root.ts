/**
 * The root of an app, in a mount namespace of its own.
 *
 * That namespace is what keeps the pod's mounts from the host: they are never in its table, and go when the
 * app's last process does, however it ends.
 *
 * @module
 */

import { listEntriesOf } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { AT_FDCWD, type Fd } from "../linux/fd.ts";
import {
  attachTree,
  cloneTree,
  cloneTreeAt,
  coverRoot,
  makeReadOnly,
  makeTmpfs,
  pivotRoot,
  setPropagation,
  setPropagationOf,
  type TreeChange,
} from "../linux/mount.ts";
import { readMounts } from "../linux/mount_table.ts";
import { isWithin } from "../linux/mountinfo.ts";
import { changeRoot, unshareMounts } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openBeneath, openInRoot } from "../linux/open.ts";
import { setMode, setOwner, setOwnerAt } from "../linux/ownership.ts";
import { statFd } from "../linux/stat.ts";
import type { AppPlan } from "../plan/app.ts";
import { describeDirectory, describeMount, describeShare } from "../plan/describe.ts";
import { rootOf } from "../plan/id_range.ts";
import { type Access, expandPath } from "../plan/rootfs/masked_paths.ts";
import {
  type BindStep,
  type DirectoryStep,
  type HostTreeStep,
  KERNEL_TREES,
  type MaskStep,
  type MountStep,
  type PodTreeStep,
  type RebindStep,
  type TmpfsStep,
} from "../plan/rootfs/mounts.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { type AppRoot, openRootDirectory, openTarget, writeIfMissing } from "./target.ts";
import type { VolumeSources } from "./volume_sources.ts";

/** An app's root, and the kernel's file systems that are in it by now, by their paths. */
interface Building extends AppRoot {
  kernelTrees: Map<string, Fd>;
}

/** Trees that are cloned, and not in place yet, by the steps that put them there. */
export type MountTrees = ReadonlyMap<MountStep, Fd>;

/**
 * Builds the app's file system, in a new mount namespace.
 *
 * @param plan What to build. The working directory is the pod directory.
 * @param sources What the plan's volumes were found to be.
 * @returns A descriptor of the app's root, for {@linkcode moveIntoRoot}.
 * @throws {Error} which names the manifest's field that could not be done.
 */
export function buildRoot(plan: AppPlan, sources: VolumeSources, debug: Debug): Fd {
  prepareHost(plan, sources, debug);
  const trees = cloneHostTrees(plan, sources);
  unshareMounts();
  return assembleRoot(plan, trees, debug);
}

/**
 * Does to the host what has to be done before trees are cloned: makes directories of the pod, and
 * shares mounts.
 *
 * @throws {SyscallError}
 * @throws {Error} when a mount is no longer where it was.
 */
export function prepareHost(plan: AppPlan, sources: VolumeSources, debug: Debug): void {
  plan.directories.forEach((directory) => makeDirectory(directory, sources, debug));
  for (const share of plan.share) {
    debug(describeShare(share));
    setPropagationOf(share, "shared");
  }
}

/**
 * Clones what an app gets of the host, from the descriptors by which it was looked at.
 *
 * It is for a process in the host's mount namespace: of another one's mounts the kernel clones
 * none, and a clone that is taken here stays shared with the mount of the host that it is of.
 *
 * @throws {Error} which names the manifest's field.
 */
export function cloneHostTrees({ mounts }: AppPlan, sources: VolumeSources): MountTrees {
  const trees = new Map<MountStep, Fd>();
  for (const step of mounts) {
    if (step.kind === "host-tree") trees.set(step, cloneTree(step.target, true));
    if (step.kind === "bind") {
      const clone = () => cloneTreeAt(sources.open(step.source), step.recursive);
      trees.set(step, withContext(step.field, clone));
    }
  }
  return trees;
}

/**
 * Builds the app's file system in this mount namespace, which has to be a new copy of the host's.
 *
 * @param trees All that is cloned already; what the app gets is used up.
 * @returns A descriptor of the app's root, for {@linkcode moveIntoRoot}.
 * @throws {Error} which names the manifest's field that could not be done.
 */
export function assembleRoot(plan: AppPlan, trees: MountTrees, debug: Debug): Fd {
  // Volumes are cloned by now, and stay shared. All other mounts only listen to the host from here
  // on.
  setPropagation("/", "slave", true);

  const root = attachRoot(plan);
  for (const step of plan.mounts) {
    debug(describeMount(step));
    withContext(step.field, () => place(root, step, trees));
  }
  for (const tree of root.kernelTrees.values()) tree[Symbol.dispose]();
  if (plan.readOnlyRoot) makeReadOnly(root.fd);
  return root.fd;
}

/**
 * Makes what {@linkcode buildRoot} built the root of this process, and forgets the host's file systems.
 *
 * @throws {SyscallError}
 */
export function moveIntoRoot(root: Fd, debug: Debug): void {
  try {
    debug("pivot_root to the app's root");
    pivotRoot(root);
  } catch (error) {
    // The kernel's first root, which hosts that run from their initramfs stay in, cannot be pivoted from.
    if (!failedWith(error, "EINVAL")) throw error;
    debug("chroot instead: this host's root cannot be left");
    coverRoot(root);
    changeRoot(root);
  }
}

/**
 * The root becomes a mount of its own, so that it can be pivoted to and nothing leaks out of it. It is the first
 * to be put in place, where all is a slave or private by now: no target of a tree is in a shared mount.
 */
function attachRoot({ rootfs, noDevices, ids }: AppPlan): Building {
  using place = openBeneath(AT_FDCWD, rootfs, O_PATH | O_DIRECTORY);
  const fd = cloneTreeAt(place, true);
  attachTree(fd, place, { noDevices, propagation: "private" });
  return {
    fd,
    ownMounts: new Set([statFd(fd).mountId]),
    owner: ids && rootOf(ids),
    kernelTrees: new Map(),
  };
}

function place(root: Building, step: MountStep, trees: MountTrees): void {
  switch (step.kind) {
    case "file":
      return writeIfMissing(root, step.target, step.text);
    case "rebind":
      return rebind(root, step);
    case "mask":
      return mask(root, step);
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

function placeTree(root: Building, step: BindStep | PodTreeStep | TmpfsStep, tree: Fd): void {
  const { kind, mountId } = statFd(tree);
  using target = openTarget(root, step.target, kind === "directory" ? kind : "file");
  const { mountId: place } = statFd(target);
  if (!root.ownMounts.has(place) && !isInPodFileSystem(root, step)) makeSlave(target);
  if (root.owner && kind === "file" && isOfPod(step)) setOwnerAt(tree, "", root.owner);
  attachTree(tree, target, changeOf(step));
  if (step.kind !== "bind" || isOfPod(step)) root.ownMounts.add(mountId);
  tree[Symbol.dispose]();
}

/** One that the pod has of its own came with what is mounted in it, all private: volumes come later. */
function isInPodFileSystem(
  { kernelTrees }: Building,
  { kind, target }: BindStep | PodTreeStep | TmpfsStep,
): boolean {
  return kind === "pod-tree" && [...kernelTrees.keys()].some((top) => isWithin(target, top));
}

function isKernelTree({ target }: PodTreeStep): boolean {
  return KERNEL_TREES.some((path) => path === target);
}

function placeKernelTree(root: Building, step: HostTreeStep | PodTreeStep, tree: Fd): void {
  using target = openRootDirectory(root, step.target);
  attachTree(tree, target, changeOf(step));
  if (step.kind === "pod-tree") root.ownMounts.add(statFd(tree).mountId);
  root.kernelTrees.set(step.target, tree);
}

/**
 * Hides or write-protects a path of the kernel's. It is looked up below the file system that it is
 * of, so that nothing of the app's can lead elsewhere.
 */
function mask(root: Building, { target, access }: MaskStep): void {
  const [tree, top] = kernelTreeOf(root, target);
  const below = (path: string) => path.slice(top.length + 1);
  for (const path of expandPath(target, (directory) => listBelow(tree, below(directory)))) {
    withContext(path, () => maskBelow(tree, below(path), access));
  }
}

function maskBelow(tree: Fd, path: string, access: Access): void {
  using target = openIfThere(tree, path, O_PATH);
  if (target === undefined) return;
  using cover = access === "hidden" ? coverOf(target) : cloneTreeAt(target, true);
  attachTree(cover, target, { readOnly: access !== "read-write", propagation: "private" });
}

function kernelTreeOf({ kernelTrees }: Building, path: string): [tree: Fd, top: string] {
  for (const [top, tree] of kernelTrees) if (isWithin(path, top)) return [tree, top];
  throw new Error(`${path} is in none of the kernel's file systems`);
}

/** What hides a path of the host's: the host has no file without permissions to offer. */
function coverOf(target: Fd): Fd {
  return statFd(target).kind === "directory"
    ? makeTmpfs({ mode: "0" })
    : cloneTree("/dev/null", false);
}

function listBelow(tree: Fd, path: string): string[] {
  using directory = openIfThere(tree, path, O_RDONLY | O_DIRECTORY);
  return directory ? listEntriesOf(directory).map(({ name }) => name) : [];
}

function openIfThere(root: Fd, path: string, flags: number): Fd | undefined {
  try {
    return openInRoot(root, path, flags);
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

/** A mount of what is in the app's root already: it can be read-only while what it is of is not. */
function rebind(root: AppRoot, { target, readOnly }: RebindStep): void {
  using place = openTarget(root, target, "any");
  using tree = cloneTreeAt(place, true);
  attachTree(tree, place, { readOnly, propagation: "private" });
}

function changeOf(step: BindStep | HostTreeStep | PodTreeStep | TmpfsStep): TreeChange {
  if (step.kind === "host-tree") return { propagation: "slave" };
  const { readOnly } = step;
  if (step.kind === "pod-tree") return { readOnly, propagation: "private" };
  const { noDevices } = step;
  if (step.kind === "tmpfs" || step.propagation === "as-source") return { readOnly, noDevices };
  return { readOnly, noDevices, propagation: step.propagation };
}

/**
 * A target may be inside a volume that is shared with the host. What is mounted there would appear on the
 * host as well, so that volume only listens from here on.
 */
function makeSlave(target: Fd): void {
  const { mountId } = statFd(target);
  const mount = readMounts().find(({ id }) => id === mountId);
  if (mount?.propagation === "shared") setPropagationOf(mount, "slave");
}

/** Sources in the pod directory have relative paths. */
function isOfPod(step: MountStep): boolean {
  return step.kind === "bind" && !step.source.startsWith("/");
}

function makeDirectory(step: DirectoryStep, sources: VolumeSources, debug: Debug): void {
  debug(describeDirectory(step));
  const { path, mode, uid, gid } = step;
  Deno.mkdirSync(path, { recursive: true });
  const directory = sources.open(path);
  setOwner(directory, uid, gid);
  setMode(directory, mode);
}
