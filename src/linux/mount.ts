/**
 * Mounts, by descriptor: a tree is cloned or made first, given its flags, and only then put in place.
 *
 * A mount that fails half-way is thus never visible, and no path is walked a second time.
 * Needs Linux 5.12 (mount_setattr). See open_tree(2), move_mount(2), mount_setattr(2), fsopen(2) and
 * the kernel's Documentation/filesystems/sharedsubtree.rst.
 *
 * @module
 */

import { AT_FDCWD, Fd } from "./file.ts";
import { asBytes, syscall } from "./libc.ts";

/** Flags of mount(2). */
export const MS_REC = 0x4000;
export const MS_PRIVATE = 1 << 18;
export const MS_SLAVE = 1 << 19;
export const MS_SHARED = 1 << 20;

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;

const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;

/** Attributes of mount_setattr(2). */
export const MOUNT_ATTR_RDONLY = 0x1;

/** How mounts and unmounts travel between a mount and its copies: mount_namespaces(7). */
export type Propagation = "shared" | "slave" | "private";

const PROPAGATION_FLAG: Readonly<Record<Propagation, number>> = {
  shared: MS_SHARED,
  slave: MS_SLAVE,
  private: MS_PRIVATE,
};

/**
 * Sets the propagation of a mount that is in place.
 *
 * @param mountPoint Where the mount is.
 * @param recursive Whether the mounts below it change too.
 * @throws {SyscallError}
 */
export function setPropagation(
  mountPoint: string,
  propagation: Propagation,
  recursive: boolean,
): void {
  const flags = PROPAGATION_FLAG[propagation] | (recursive ? MS_REC : 0);
  syscall("mount", null, mountPoint, null, flags, null);
}

/**
 * Clones what is mounted at a path into a tree that is not in place anywhere yet: a bind mount before
 * it is mounted. A clone of a shared mount is shared with it.
 *
 * @param source A path, links followed.
 * @param recursive Whether the mounts below come along.
 * @throws {SyscallError}
 */
export function cloneTree(source: string, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  return new Fd(syscall("open_tree", AT_FDCWD, source, flags));
}

/** What {@linkcode changeTree} changes; what is left out stays as it is. */
export interface TreeChange {
  readOnly?: boolean;
  propagation?: Propagation;
}

/**
 * Changes every mount of a tree, all of them or none.
 *
 * @throws {SyscallError}
 */
export function changeTree(tree: Fd, change: TreeChange): void {
  setAttributes(tree, change, AT_RECURSIVE);
}

/**
 * Changes one mount and none of those below it.
 *
 * @param root A descriptor of the mount's root.
 * @throws {SyscallError}
 */
export function changeMount(root: Fd, change: TreeChange): void {
  setAttributes(root, change, 0);
}

function setAttributes(tree: Fd, change: TreeChange, depth: number): void {
  const attributes = new BigUint64Array([
    BigInt(change.readOnly ? MOUNT_ATTR_RDONLY : 0),
    0n,
    BigInt(change.propagation === undefined ? 0 : PROPAGATION_FLAG[change.propagation]),
    0n,
  ]);
  const flags = AT_EMPTY_PATH | depth;
  syscall("mount_setattr", tree.number, "", flags, asBytes(attributes), attributes.byteLength);
}

/**
 * Makes a new tmpfs that is not in place anywhere yet.
 *
 * @param options Its mount options, such as `{ mode: "1777" }`: tmpfs(5).
 * @throws {SyscallError}
 */
export function makeTmpfs(options: Readonly<Record<string, string>>): Fd {
  using context = new Fd(syscall("fsopen", "tmpfs", FSOPEN_CLOEXEC));
  for (const [key, value] of Object.entries(options)) {
    configure(context, FSCONFIG_SET_STRING, key, value);
  }
  configure(context, FSCONFIG_CMD_CREATE);
  return new Fd(syscall("fsmount", context.number, FSMOUNT_CLOEXEC, 0));
}

/**
 * Puts a tree in place.
 *
 * @param target A descriptor of the file or directory that it covers.
 * @throws {SyscallError}
 */
export function attachTree(tree: Fd, target: Fd): void {
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  syscall("move_mount", tree.number, "", target.number, "", flags);
}

/**
 * Takes a mount down at once, with all below it, even if it is in use. What uses it keeps it until done.
 *
 * @throws {SyscallError}
 */
export function detachMount(mountPoint: string): void {
  syscall("umount2", mountPoint, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/**
 * Makes a mount the root of this mount namespace and lets go of the old one: pivot_root(2).
 *
 * @param root A descriptor of the mount's root; the working directory becomes it.
 * @throws {SyscallError}
 */
export function pivotRoot(root: Fd): void {
  syscall("fchdir", root.number);
  // With "." for both, the old root is stacked on the new one and needs no directory to put it in.
  syscall("pivot_root", ".", ".");
  syscall("umount2", ".", MNT_DETACH);
  syscall("chdir", "/");
}

function configure(context: Fd, command: number, key?: string, value?: string): void {
  syscall("fsconfig", context.number, command, key ?? null, value ?? null, 0);
}
