/**
 * Mounts, by descriptor: a tree is cloned or made first, given its flags, and only then put in place.
 *
 * A mount that fails half-way is thus never visible, and no path is walked a second time. Before Linux 5.12
 * there is no mount_setattr(2): then a tree gets its flags right after it is put in place, by mount(2). See
 * open_tree(2), move_mount(2), mount_setattr(2), fsopen(2) and the kernel's
 * Documentation/filesystems/sharedsubtree.rst.
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { readMounts } from "./mount_table.ts";
import { type Mount, type Propagation, reachableMounts } from "./mountinfo.ts";
import { O_PATH, openFile } from "./open.ts";
import { statFd } from "./stat.ts";

/** Flags of mount(2). */
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const MS_REMOUNT = 0x20;
export const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_PRIVATE = 1 << 18;
const MS_SLAVE = 1 << 19;
const MS_SHARED = 1 << 20;

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const AT_RECURSIVE = 0x8000;

const MOVE_MOUNT_F_EMPTY_PATH = 0x4;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;

/** Attributes of mount_setattr(2). */
const MOUNT_ATTR_RDONLY = 0x1;
export const MOUNT_ATTR_NODEV = 0x4;

/**
 * The options of mountinfo that a remount would take from a mount, unless it names them. How times of access
 * are kept stays as it is.
 */
const REMOUNT_FLAG: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  nosymfollow: 0x100,
};

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
 * Sets the propagation of one mount of the table.
 *
 * @throws {SyscallError}
 * @throws {Error} when there is another mount in its place by now.
 */
export function setPropagationOf(mount: MountPlace, propagation: Propagation): void {
  using root = openMountRoot(mount);
  setPropagation(pathThrough(root), propagation, false);
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

/**
 * Makes a new tmpfs that is not in place anywhere yet.
 *
 * @param options Its mount options, such as `{ mode: "1777" }`: tmpfs(5).
 * @throws {SyscallError}
 */
export function makeTmpfs(options: Readonly<Record<string, string>>): Fd {
  return makeFileSystem("tmpfs", options);
}

/**
 * Makes a new file system that is not in place anywhere yet: fsopen(2), fsmount(2).
 *
 * @param type Its type, such as `tmpfs` or `devpts`.
 * @param options Its mount options.
 * @param attributes Those of the mount, such as {@linkcode MOUNT_ATTR_NODEV}.
 * @throws {SyscallError}
 */
export function makeFileSystem(
  type: string,
  options: Readonly<Record<string, string>>,
  attributes = 0,
): Fd {
  using context = new Fd(syscall("fsopen", type, FSOPEN_CLOEXEC));
  for (const [key, value] of Object.entries(options)) {
    configure(context, FSCONFIG_SET_STRING, key, value);
  }
  configure(context, FSCONFIG_CMD_CREATE);
  return new Fd(syscall("fsmount", context.number, FSMOUNT_CLOEXEC, attributes));
}

/** What {@linkcode attachTree} changes; what is left out stays as it is. */
export interface TreeChange {
  readOnly?: boolean;
  /** Device files in it cannot be opened. */
  noDevices?: boolean;
  propagation?: Propagation;
}

/**
 * Changes every mount of a tree, and puts it in place.
 *
 * @param target A descriptor of the file or directory that it covers. Its mount must not be shared: before
 * Linux 5.12, the tree would be unchanged where it then appears as well.
 * @throws {SyscallError}
 * @throws {Error} when mounts are moved meanwhile.
 */
export function attachTree(tree: Fd, target: Fd, change: TreeChange = {}): void {
  const changed = setAttributes(tree, change, AT_RECURSIVE);
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  syscall("move_mount", tree.number, "", target.number, "", flags);
  if (!changed) changeInPlace(tree, change);
}

/**
 * Mounts what is at a path at another one, without the mounts below: mount(2) with `MS_BIND`.
 *
 * @throws {SyscallError}
 */
export function bindMount(source: string, target: string): void {
  syscall("mount", source, target, null, MS_BIND, null);
}

/**
 * Gives the mount at a path these flags, such as {@linkcode MS_RDONLY}, in the place of those that
 * it has; the mounts below stay as they are.
 *
 * @throws {SyscallError}
 */
export function remountBind(mountPoint: string, flags: number): void {
  syscall("mount", null, mountPoint, null, MS_REMOUNT | MS_BIND | flags, null);
}

/**
 * Makes one mount that is in place read-only, and none of those below it.
 *
 * @param root A descriptor of the mount's root.
 * @throws {SyscallError}
 */
export function makeReadOnly(root: Fd): void {
  if (setAttributes(root, { readOnly: true }, 0)) return;
  const { mountId } = statFd(root);
  readMounts().filter(({ id }) => id === mountId).forEach((mount) => remount(mount, MS_RDONLY));
}

/**
 * Clones the tree of mounts that begins at an open file or directory.
 *
 * @param recursive Whether the mounts below come along.
 * @throws {SyscallError}
 */
export function cloneTreeAt(source: Fd, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
    (recursive ? AT_RECURSIVE : 0);
  return new Fd(syscall("open_tree", source.number, "", flags));
}

/**
 * Opens a file through a mount of its own that is read-only and in place nowhere, so that whoever comes by the file
 * that way can neither write to it nor change what it is like.
 *
 * @returns `undefined` before Linux 5.12, which cannot change a mount that is not in place, and for who may not mount.
 * @throws {SyscallError}
 */
export function cloneReadOnly(path: string): Fd | undefined {
  try {
    const tree = cloneTree(path, false);
    if (setAttributes(tree, { readOnly: true }, 0)) return tree;
    tree[Symbol.dispose]();
  } catch (error) {
    if (!failedWith(error, "EPERM")) throw error;
  }
  return undefined;
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
 * Moves a mount over the root of this mount namespace. What was there stays, but no path leads to it any more.
 *
 * @param root A descriptor of the mount's root.
 * @throws {SyscallError}
 */
export function coverRoot(root: Fd): void {
  syscall("move_mount", root.number, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
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

/** @returns Whether this kernel has the call. */
function setAttributes(root: Fd, change: TreeChange, depth: number): boolean {
  const { readOnly, noDevices, propagation } = change;
  const attributes = new BigUint64Array([
    BigInt((readOnly ? MOUNT_ATTR_RDONLY : 0) | (noDevices ? MOUNT_ATTR_NODEV : 0)),
    0n,
    BigInt(propagation === undefined ? 0 : PROPAGATION_FLAG[propagation]),
    0n,
  ]);
  const flags = AT_EMPTY_PATH | depth;
  try {
    syscall("mount_setattr", root.number, "", flags, asBytes(attributes), attributes.byteLength);
    return true;
  } catch (error) {
    if (failedWith(error, "ENOSYS")) return false;
    throw error;
  }
}

/** Propagation comes first: a mount that came in after the others were remounted would be writable. */
function changeInPlace(tree: Fd, { readOnly, noDevices, propagation }: TreeChange): void {
  if (propagation !== undefined) setPropagation(pathThrough(tree), propagation, true);
  const flags = (readOnly ? MS_RDONLY : 0) | (noDevices ? MS_NODEV : 0);
  if (flags === 0) return;
  const mounts = reachableMounts(readMounts(), statFd(tree).mountId);
  mounts.forEach((mount) => remount(mount, flags));
}

function remount({ options, ...mount }: Mount, added: number): void {
  using root = openMountRoot(mount);
  const kept = options.reduce((flags, option) => flags | (REMOUNT_FLAG[option] ?? 0), 0);
  remountBind(pathThrough(root), added | kept);
}

/** A mount, and where it is. */
export type MountPlace = Pick<Mount, "id" | "mountPoint">;

/** The path is looked up once, and what is found there has to be this mount. */
function openMountRoot({ id, mountPoint }: MountPlace): Fd {
  const root = openFile(mountPoint, O_PATH);
  if (statFd(root).mountId === id) return root;
  root[Symbol.dispose]();
  throw new Error(`${mountPoint}: is not the mount that it was`);
}

/** A path that is this descriptor, for calls that take no descriptors. */
function pathThrough(fd: Fd): string {
  return `/proc/self/fd/${fd.number}`;
}

function configure(context: Fd, command: number, key?: string, value?: string): void {
  syscall("fsconfig", context.number, command, key ?? null, value ?? null, 0);
}
