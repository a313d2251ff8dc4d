/**
 * A pod's network namespace, kept by a mount: it lives on when the pod's processes have ended, so that
 * plugins can take down what they made in there. ip-netns(8) keeps namespaces the same way.
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

/** Where `ip netns` has its namespaces, and rkt its own. */
const DIRECTORY = "/var/run/netns";

/** The path that a pod's network namespace can be joined by. */
export function pinnedNetworkPath(uuid: string): string {
  return `${DIRECTORY}/cni-${uuid}`;
}

/**
 * Keeps a network namespace, in the host's mount namespace.
 *
 * @throws {SyscallError}
 */
export function pinNetwork(network: Fd, uuid: string): void {
  shareDirectory();
  const path = pinnedNetworkPath(uuid);
  openFile(path, O_RDONLY | O_CREAT | O_NOFOLLOW, 0o444)[Symbol.dispose]();
  using target = openFile(path, O_PATH | O_NOFOLLOW);
  using tree = cloneTreeAt(network, false);
  attachTree(tree, target);
}

/** Whether a pod's network namespace is still there. After a start of the host it is not. */
export function isNetworkPinned(uuid: string): boolean {
  try {
    return statPath(pinnedNetworkPath(uuid)).isMountRoot;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

/**
 * Lets a pod's network namespace go. Doing so twice is fine.
 *
 * @throws {SyscallError}
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
 * Makes the directory a mount that is shared with all mount namespaces: one of them could else keep a
 * network that has been let go everywhere else. The lock is the one that ip-netns(8) takes as well.
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
