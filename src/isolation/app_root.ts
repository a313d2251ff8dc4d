/**
 * The root of an app, in a mount namespace of its own.
 *
 * That namespace is what keeps the pod's mounts from the host: they are never in its table, and go when the
 * app's last process does, however it ends.
 *
 * @module
 */

import type { AppPlan } from "../app/plan.ts";
import { rootOf } from "../app/id_range.ts";
import { describeDirectory, describeMount, describeShare } from "../app/plan_text.ts";
import type {
  BindStep,
  DirectoryStep,
  MountStep,
  PodTreeStep,
  RebindStep,
  TmpfsStep,
} from "../app/mount_plan.ts";
import { type AppRoot, openTarget, writeIfMissing } from "../app/target.ts";
import { failedWith } from "../linux/errno.ts";
import {
  type Fd,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  openFile,
  openInRoot,
  setMode,
  setOwner,
  setOwnerAt,
  statFd,
} from "../linux/file.ts";
import {
  attachTree,
  cloneTree,
  cloneTreeAt,
  coverRoot,
  makeReadOnly,
  makeTmpfs,
  pivotRoot,
  setPropagation,
  type TreeChange,
} from "../linux/mount.ts";
import { readMounts } from "../linux/mountinfo.ts";
import { changeRoot, unshareMounts } from "../linux/namespaces.ts";
import type { Trace } from "./trace.ts";
import { naming } from "../stage1/naming.ts";

/** A step whose tree is ready to be put in place. */
interface Prepared {
  step: MountStep;
  tree: Fd | undefined;
}

/**
 * Builds the app's file system, in a new mount namespace.
 *
 * @param plan What to build. The working directory is the pod directory.
 * @returns A descriptor of the app's root, for {@linkcode moveIntoRoot}.
 * @throws {Error} which names the manifest's field that could not be done.
 */
export function buildRoot(plan: AppPlan, trace: Trace): Fd {
  prepareHost(plan, trace);
  unshareMounts();
  return assembleRoot(plan, new Map(), trace);
}

/**
 * Does what {@linkcode assembleRoot} needs to be done before: makes directories of the pod, and shares mounts.
 *
 * @throws {SyscallError}
 */
export function prepareHost(plan: AppPlan, trace: Trace): void {
  plan.directories.forEach((directory) => makeDirectory(directory, trace));
  for (const share of plan.share) {
    trace(describeShare(share));
    setPropagation(share.mountPoint, "shared", false);
  }
}

/**
 * Builds the app's file system in this mount namespace, which has to be a new copy of the host's.
 *
 * @param trees The pod's own trees, which are cloned already; those that the app gets are used up.
 * @returns A descriptor of the app's root, for {@linkcode moveIntoRoot}.
 * @throws {Error} which names the manifest's field that could not be done.
 */
export function assembleRoot(plan: AppPlan, trees: PodTrees, trace: Trace): Fd {
  // Clones come first: taken now, a volume stays shared with the host's mount that it is of. All other
  // mounts only listen to the host from here on.
  const prepared = plan.mounts.map((step) => prepare(step, trees));
  setPropagation("/", "slave", true);

  const root = attachRoot(plan);
  for (const { step, tree } of prepared) {
    trace(describeMount(step));
    naming(step.field, () => place(root, step, tree));
  }
  if (plan.readOnlyRoot) makeReadOnly(root.fd);
  return root.fd;
}

/**
 * Makes what {@linkcode buildRoot} built the root of this process, and forgets the host's file systems.
 *
 * @throws {SyscallError}
 */
export function moveIntoRoot(root: Fd, trace: Trace): void {
  try {
    trace("pivot_root to the app's root");
    pivotRoot(root);
  } catch (error) {
    // The kernel's first root, which hosts that run from their initramfs stay in, cannot be pivoted from.
    if (!failedWith(error, "EINVAL")) throw error;
    trace("chroot instead: this host's root cannot be left");
    coverRoot(root);
    changeRoot(root);
  }
}

/**
 * The root becomes a mount of its own, so that it can be pivoted to and nothing leaks out of it. It is the first
 * to be put in place, where all is a slave or private by now: no target of a tree is in a shared mount.
 */
function attachRoot({ rootfs, noDevices, ids }: AppPlan): AppRoot {
  const fd = cloneTree(rootfs, true);
  using place = openFile(rootfs, O_PATH | O_DIRECTORY);
  attachTree(fd, place, { noDevices, propagation: "private" });
  return { fd, ownMounts: new Set([statFd(fd).mountId]), owner: ids && rootOf(ids) };
}

/** The clone of a tree of the pod's that a step is to put in place. */
export type PodTrees = ReadonlyMap<PodTreeStep, Fd>;

function prepare(step: MountStep, trees: PodTrees): Prepared {
  return naming(step.field, () => {
    switch (step.kind) {
      case "bind":
        return { step, tree: cloneTree(step.source, step.recursive) };
      case "tmpfs":
        return { step, tree: makeTmpfs(step.options) };
      case "pod-tree":
        return { step, tree: preparePodTree(step, trees) };
      case "rebind":
      case "file":
        return { step, tree: undefined };
    }
  });
}

function preparePodTree(step: PodTreeStep, trees: PodTrees): Fd {
  const tree = trees.get(step);
  if (tree === undefined) throw new Error(`this pod has no ${step.tree} of its own`);
  return tree;
}

function place(root: AppRoot, step: MountStep, tree: Fd | undefined): void {
  if (step.kind === "file") return writeIfMissing(root, step.target, step.text);
  if (step.kind === "rebind") return rebind(root, step);
  if (tree === undefined) return;
  const { kind, mountId } = statFd(tree);
  using target = openTarget(root, step.target, kind === "directory" ? kind : "file");
  if (!root.ownMounts.has(statFd(target).mountId)) muteMount(target);
  if (root.owner && kind === "file" && isOfPod(step)) setOwnerAt(tree, "", root.owner);
  attachTree(tree, target, changeOf(step));
  if (step.kind !== "bind" || isOfPod(step)) root.ownMounts.add(mountId);
  tree[Symbol.dispose]();
}

/** A mount of what is in the app's root already: it can be read-only while what it is of is not, and the reverse. */
function rebind(root: AppRoot, { source, target, readOnly }: RebindStep): void {
  using from = source === target
    ? openTarget(root, target, "any")
    : openInRoot(root.fd, source, O_PATH);
  using tree = cloneTreeAt(from, true);
  const { kind } = statFd(from);
  using to = openTarget(root, target, kind === "directory" ? kind : "file");
  attachTree(tree, to, { readOnly, propagation: "private" });
}

function changeOf(step: BindStep | PodTreeStep | TmpfsStep): TreeChange {
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
function muteMount(target: Fd): void {
  const { mountId } = statFd(target);
  const mount = readMounts().find(({ id }) => id === mountId);
  if (mount?.propagation === "shared") setPropagation(mount.mountPoint, "slave", false);
}

/** Sources in the pod directory have relative paths. */
function isOfPod(step: MountStep): boolean {
  return step.kind === "bind" && !step.source.startsWith("/");
}

function makeDirectory(step: DirectoryStep, trace: Trace): void {
  trace(describeDirectory(step));
  const { path, mode, uid, gid } = step;
  Deno.mkdirSync(path, { recursive: true });
  using directory = openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  setOwner(directory, uid, gid);
  setMode(directory, mode);
}
