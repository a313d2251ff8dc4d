/**
 * A pod's network namespace, pinned by a mount, as ip-netns(8) pins namespaces. It lives on when
 * the pod's processes have ended, so that plugins can remove what they made in it.
 *
 * @module
 */

import { makeDirectories, removeFile } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { Fd } from "../linux/fd.ts";
import { lockFile } from "../linux/file_lock.ts";
import { attachTree, cloneTreeAt, detachMount, setPropagation } from "../linux/mount.ts";
import { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY, openFile } from "../linux/open.ts";
import { statPath } from "../linux/stat.ts";

/** The directory in which `ip netns` and rkt pin namespaces. */
const DIRECTORY = "/var/run/netns";

/** Returns the path of a pod's pinned network namespace. */
export function pinnedNetworkPath(uuid: string): string {
  return `${DIRECTORY}/cni-${uuid}`;
}

/**
 * Pins a network namespace. Call it in the host's mount namespace.
 *
 * @throws {SyscallError} when the mount cannot be made.
 */
export function pinNetwork(network: Fd, uuid: string): void {
  shareDirectory();
  const path = pinnedNetworkPath(uuid);
  openFile(path, O_RDONLY | O_CREAT | O_NOFOLLOW, 0o444)[Symbol.dispose]();
  using target = openFile(path, O_PATH | O_NOFOLLOW);
  using tree = cloneTreeAt(network, false);
  attachTree(tree, target);
}

/** Tells whether a pod's network namespace is still pinned. A reboot of the host ends that. */
export function isNetworkPinned(uuid: string): boolean {
  try {
    return statPath(pinnedNetworkPath(uuid)).isMountRoot;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

/**
 * Unpins a pod's network namespace. Without a pinned one, does nothing.
 *
 * @throws {SyscallError} when the mount or its file cannot be removed.
 */
export function unpinNetwork(uuid: string): void {
  const path = pinnedNetworkPath(uuid);
  try {
    detachMount(path);
  } catch (error) {
    if (!failedWith(error, "EINVAL", "ENOENT", "ENOTDIR")) throw error;
  }
  removeFile(path);
}

/**
 * Makes the directory a shared mount, so that unpinning propagates to all mount namespaces: else
 * one of them could keep the network namespace alive. ip-netns(8) takes the same lock for this.
 */
function shareDirectory(): void {
  makeDirectories(DIRECTORY);
  using lock = openFile(DIRECTORY, O_RDONLY | O_DIRECTORY);
  lockFile(lock);
  try {
    setPropagation(DIRECTORY, "shared", true);
  } catch (error) {
    if (!failedWith(error, "EINVAL")) throw error;
    using place = openFile(DIRECTORY, O_PATH | O_DIRECTORY);
    using tree = cloneTreeAt(place, true);
    attachTree(tree, place);
    setPropagation(DIRECTORY, "shared", true);
  }
}
