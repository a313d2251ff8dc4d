/**
 * A pod of one app in the host's namespaces, with a mount namespace of its own and nothing else.
 *
 * That one namespace is what keeps the pod's mounts from the host: they are never in its table, and go
 * when the app's last process does, however it ends.
 *
 * @module
 */

import type { AppPlan } from "../app/plan.ts";
import { describeDirectory, describeMount, describeShare } from "../app/plan_text.ts";
import type { BindStep, DirectoryStep, MountStep, TmpfsStep } from "../app/mount_plan.ts";
import { type AppRoot, openTarget, writeIfMissing } from "../app/target.ts";
import { failedWith } from "../linux/errno.ts";
import {
  type Fd,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  openFile,
  setMode,
  setOwner,
  statFd,
} from "../linux/file.ts";
import {
  attachTree,
  changeMount,
  changeTree,
  cloneTree,
  makeTmpfs,
  pivotRoot,
  setPropagation,
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
  plan.directories.forEach((directory) => makeDirectory(directory, trace));
  for (const share of plan.share) {
    trace(describeShare(share));
    setPropagation(share.mountPoint, "shared", false);
  }
  unshareMounts();
  // Clones come first: taken now, a volume stays shared with the host's mount that it is of. All other
  // mounts only listen to the host from here on.
  const prepared = plan.mounts.map((step) => prepare(step));
  setPropagation("/", "slave", true);

  const root = attachRoot(plan.rootfs);
  for (const { step, tree } of prepared) {
    trace(describeMount(step));
    naming(step.field, () => place(root, step, tree));
  }
  if (plan.readOnlyRoot) changeMount(root.fd, { readOnly: true });
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
    changeRoot(root);
  }
}

/** The root becomes a mount of its own, so that it can be pivoted to and nothing leaks out of it. */
function attachRoot(path: string): AppRoot {
  const fd = cloneTree(path, true);
  changeTree(fd, { propagation: "private" });
  using place = openFile(path, O_PATH | O_DIRECTORY);
  attachTree(fd, place);
  return { fd, ownMounts: new Set([statFd(fd).mountId]) };
}

function prepare(step: MountStep): Prepared {
  return naming(step.field, () => {
    switch (step.kind) {
      case "bind":
        return { step, tree: prepareBind(step) };
      case "tmpfs":
        return { step, tree: prepareTmpfs(step) };
      case "file":
        return { step, tree: undefined };
    }
  });
}

function prepareBind({ source, recursive, readOnly, propagation }: BindStep): Fd {
  const tree = cloneTree(source, recursive);
  changeTree(tree, {
    readOnly,
    ...(propagation === "as-source" ? {} : { propagation }),
  });
  return tree;
}

function prepareTmpfs({ options, readOnly }: TmpfsStep): Fd {
  const tree = makeTmpfs(options);
  changeTree(tree, { readOnly });
  return tree;
}

function place(root: AppRoot, step: MountStep, tree: Fd | undefined): void {
  if (step.kind === "file") return writeIfMissing(root, step.target, step.text);
  if (tree === undefined) return;
  const { kind, mountId } = statFd(tree);
  using target = openTarget(root, step.target, kind === "directory" ? kind : "file");
  if (!root.ownMounts.has(statFd(target).mountId)) muteMount(target);
  attachTree(tree, target);
  if (step.kind === "tmpfs" || isOfPod(step)) root.ownMounts.add(mountId);
  tree[Symbol.dispose]();
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
function isOfPod({ source }: BindStep): boolean {
  return !source.startsWith("/");
}

function makeDirectory(step: DirectoryStep, trace: Trace): void {
  trace(describeDirectory(step));
  const { path, mode, uid, gid } = step;
  Deno.mkdirSync(path, { recursive: true });
  using directory = openFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  setOwner(directory, uid, gid);
  setMode(directory, mode);
}
