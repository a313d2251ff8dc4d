/**
 * The root of an app, built in a mount namespace of its own.
 *
 * That namespace keeps the pod's mounts out of the host's mount table. They go when the last
 * process of the app ends, however it ends.
 *
 * @module
 */

import { cloneCgroup } from "../linux/cgroup.ts";
import { makeDirectories } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { AT_FDCWD, type Fd } from "../linux/fd.ts";
import {
  attachTree,
  cloneTree,
  cloneTreeAt,
  coverRoot,
  makeReadOnly,
  pivotRoot,
  setPropagation,
  setPropagationOf,
} from "../linux/mount.ts";
import { changeRoot, leaveChroot, outsideOfChroot, unshareMounts } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openBeneath } from "../linux/open.ts";
import { setMode, setOwner } from "../linux/ownership.ts";
import { statFd } from "../linux/stat.ts";
import type { AppPlan } from "../plan/app.ts";
import { describeDirectory, describeMount, describeShare } from "../plan/describe_steps.ts";
import { rootOf } from "../plan/id_range.ts";
import { type DirectoryStep, type MountStep, partMounts } from "../plan/rootfs/mount_steps.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { type MountedRoot, type MountTrees, placeMount } from "./app_mounts.ts";
import { placeVolumes } from "./app_volumes.ts";
import type { VolumeSources } from "./volume_sources.ts";

/** An app's root that is built, but not this process's yet. */
export interface BuiltRoot {
  /** A descriptor of it, for {@linkcode moveIntoRoot}. */
  root: Fd;
  /** What had no effect, and why: one line each. */
  notes: string[];
}

/**
 * Builds the app's file system in a new mount namespace, which this process is in from then on.
 *
 * @param plan The app's plan; its relative paths begin in the working directory, which is the pod
 * directory.
 * @param sources The sources of the plan's volumes.
 * @throws {Error} when a mount cannot be made; it names the manifest's field.
 */
export function buildRoot(plan: AppPlan, sources: VolumeSources, debug: Debug): BuiltRoot {
  prepareHost(plan, sources, debug);
  const trees = cloneHostTrees(plan, sources, new Map());
  unshareMounts();
  return assembleRoot(plan, trees, debug);
}

/**
 * Changes the host as the plan needs it before trees are cloned: makes directories of the pod, and
 * mounts shared.
 *
 * @throws {SyscallError} when a directory or mount cannot be changed.
 * @throws {Error} when a mount is no longer where it was planned to be.
 */
export function prepareHost(plan: AppPlan, sources: VolumeSources, debug: Debug): void {
  plan.directories.forEach((directory) => makeDirectory(directory, sources, debug));
  for (const share of plan.share) {
    debug(describeShare(share));
    setPropagationOf(share, "shared");
  }
}

/**
 * Clones the trees of the host that an app gets, from the descriptors by which they were checked.
 *
 * Call it in the host's mount namespace: the kernel clones no mounts of another one, and a clone
 * taken there stays in the peer group of the host's mount.
 *
 * @param cgroups The directories of the app's cgroups that could be made, by their paths.
 * @throws {Error} when a tree cannot be cloned; it names the manifest's field.
 */
export function cloneHostTrees(
  { mounts }: AppPlan,
  sources: VolumeSources,
  cgroups: ReadonlyMap<string, Fd>,
): MountTrees {
  const trees = new Map<MountStep, Fd>();
  for (const step of mounts) {
    if (step.kind === "host-tree") trees.set(step, cloneTree(step.target, true));
    if (step.kind === "cgroup") {
      const cgroup = cgroups.get(step.source);
      const tree = cgroup && cloneCgroup(cgroup);
      if (tree) trees.set(step, tree);
    }
    if (step.kind === "bind") {
      const clone = () => cloneTreeAt(sources.open(step.source, O_PATH), step.recursive);
      trees.set(step, withContext(step.field, clone));
    }
  }
  return trees;
}

/**
 * Builds the app's file system in this mount namespace, which has to be a new copy of the host's.
 *
 * @param trees The clones for the plan's mounts. Those that are put in place are closed.
 * @throws {Error} when a mount cannot be made; it names the manifest's field.
 */
export function assembleRoot(plan: AppPlan, trees: MountTrees, debug: Debug): BuiltRoot {
  // The volumes' clones are not in place yet, and so stay in the host's peer groups.
  detachPropagation("slave");

  const root = attachRoot(plan);
  const place = (step: MountStep) => {
    debug(describeMount(step));
    return withContext(step.field, () => placeMount(root, step, trees));
  };
  const { before, volumes, after } = partMounts(plan.mounts);
  before.forEach(place);
  placeVolumes(root, volumes, trees, debug);
  const notes = after.flatMap(place);
  for (const tree of root.kernelTrees.values()) tree[Symbol.dispose]();
  if (plan.readOnlyRoot) makeReadOnly(root.fd);
  return { root: root.fd, notes };
}

/**
 * Keeps the mounts of this namespace, which has to be a new copy of the host's, from propagating to
 * the host: all of them, also those that rkt does not see where it runs in a chroot.
 *
 * @throws {SyscallError} without CAP_SYS_ADMIN and CAP_SYS_CHROOT.
 */
export function detachPropagation(propagation: "slave" | "private"): void {
  // A chroot's root need not be a mount.
  outsideOfChroot(() => setPropagation("/", propagation, true));
}

/**
 * Makes a built root the root of this process and of its mount namespace, and detaches the host's
 * file systems, also those outside of a chroot that rkt runs in.
 *
 * @throws {SyscallError} when this process can neither pivot to the root nor change to it.
 */
export function moveIntoRoot(root: Fd, debug: Debug): void {
  // In a chroot, what it hides would stay in the namespace, and setns(2) would lead there.
  leaveChroot();
  try {
    debug("pivot_root to the app's root");
    pivotRoot(root);
  } catch (error) {
    // pivot_root(2) cannot leave the kernel's first root, in which hosts that run from their
    // initramfs stay.
    if (!failedWith(error, "EINVAL")) throw error;
    debug("chroot instead: this host's root cannot be left");
    coverRoot(root);
    changeRoot(root);
  }
}

/**
 * Makes the root a private mount of its own: pivot_root(2) needs a mount, and nothing propagates
 * out of a private one. It is attached first, when all mounts are slaves or private: so no later
 * target is in a shared mount.
 */
function attachRoot({ rootfs, noDevices, ids }: AppPlan): MountedRoot {
  using place = openBeneath(AT_FDCWD, rootfs, O_PATH | O_DIRECTORY);
  const fd = cloneTreeAt(place, true);
  attachTree(fd, place, { noDevices, propagation: "private" });
  return {
    fd,
    ownMounts: new Set([statFd(fd).mountId]),
    hostVolumes: new Set(),
    owner: ids && rootOf(ids),
    kernelTrees: new Map(),
    taken: new Map(),
  };
}

function makeDirectory(step: DirectoryStep, sources: VolumeSources, debug: Debug): void {
  debug(describeDirectory(step));
  const { path, mode, uid, gid } = step;
  withContext(`${path}: cannot be made`, () => makeDirectories(path));
  const directory = sources.open(path);
  setOwner(directory, uid, gid);
  setMode(directory, mode);
}
