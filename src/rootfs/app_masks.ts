/**
 * The masks in an app's /proc and /sys, in a pod that has the host's: paths that are hidden or
 * read-only. `pod_root.ts` masks those of a pod that has its own.
 *
 * @module
 */

import { listEntriesOf } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { attachTree, cloneTree, cloneTreeAt, makeTmpfs } from "../linux/mount.ts";
import { isWithin } from "../linux/mountinfo.ts";
import { O_DIRECTORY, O_PATH, O_RDONLY, openInRoot } from "../linux/open.ts";
import { statFd } from "../linux/stat.ts";
import { type Access, expandPath } from "../plan/rootfs/masked_paths.ts";
import type { MaskStep } from "../plan/rootfs/mount_steps.ts";
import { withContext } from "../stage1/context.ts";

/** The kernel's file systems in an app's root, by their paths in it. */
export type KernelTrees = Map<string, Fd>;

/**
 * Hides or write-protects a path in one of the kernel's file systems. The path is looked up from
 * that file system's own root, so that nothing in the app's root can lead elsewhere.
 *
 * @throws {Error} when the path is in none of the file systems, or cannot be covered; it names the
 * path.
 */
export function maskPath(trees: KernelTrees, { target, access }: MaskStep): void {
  const [tree, top] = kernelTreeOf(trees, target);
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

function kernelTreeOf(trees: KernelTrees, path: string): [tree: Fd, top: string] {
  for (const [top, tree] of trees) if (isWithin(path, top)) return [tree, top];
  throw new Error(`${path} is in none of the kernel's file systems`);
}

/** Makes what hides a path. For a file that is /dev/null: the host has none without permissions. */
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
