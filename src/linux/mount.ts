/**
 * Mounts, by descriptor: a tree is first cloned or made, then given its flags, and only then put in
 * place.
 *
 * So a mount that fails half-way is never visible, and no path is walked twice. Before Linux 5.12
 * there is no mount_setattr(2): a tree then gets its flags by mount(2), right after it is put in
 * place. See open_tree(2), move_mount(2), mount_setattr(2), fsopen(2) and the kernel's
 * `filesystems/sharedsubtree.rst`.
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
const MOUNT_ATTR_NOSUID = 0x2;
export const MOUNT_ATTR_NODEV = 0x4;
const MOUNT_ATTR_NOEXEC = 0x8;

/**
 * The options of mountinfo that a remount takes from a mount unless it names them. The options for
 * times of access stay anyway.
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
 * @throws {SyscallError} `EINVAL` when no mount is there.
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
 * Sets the propagation of one mount of the mount table.
 *
 * @throws {SyscallError} when nothing is at its place any more.
 * @throws {Error} when another mount is at its place by now.
 */
export function setPropagationOf(mount: MountPlace, propagation: Propagation): void {
  using root = openMountRoot(mount);
  setPropagation(pathThrough(root), propagation, false);
}

/**
 * Clones what is mounted at a path into a tree that is not in place anywhere yet: a bind mount
 * before it is mounted. A clone of a shared mount is shared with it.
 *
 * @param source A path; links are followed.
 * @param recursive Whether the mounts below are cloned too.
 * @throws {SyscallError} when nothing is at the path, or this process may not mount.
 */
export function cloneTree(source: string, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  return new Fd(syscall("open_tree", AT_FDCWD, source, flags));
}

/**
 * Makes a new tmpfs that is not in place anywhere yet.
 *
 * @param options Its mount options, such as `{ mode: "1777" }`: tmpfs(5).
 * @throws {SyscallError} when the kernel refuses an option, or this process may not mount.
 */
export function makeTmpfs(options: Readonly<Record<string, string>>): Fd {
  return makeFileSystem("tmpfs", options);
}

/**
 * Makes a new file system that is not in place anywhere yet: fsopen(2), fsmount(2).
 *
 * @param type Its type, such as `tmpfs` or `devpts`.
 * @param options Its mount options.
 * @param attributes The attributes of the mount, such as {@linkcode MOUNT_ATTR_NODEV}.
 * @throws {SyscallError} `ENODEV` when the kernel does not have the type; or when it refuses an
 * option, or this process may not mount.
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

/** What {@linkcode attachTree} changes. What is left out stays as it is. */
export interface TreeChange {
  readOnly?: boolean;
  /** Whether device files in it cannot be opened. */
  noDevices?: boolean;
  /** Whether programs in it cannot be executed, nor change privileges. */
  noPrograms?: boolean;
  propagation?: Propagation;
}

/**
 * Changes every mount of a tree, and puts the tree in place.
 *
 * @param target A descriptor of the file or directory that the tree covers. Its mount must not be
 * shared: before Linux 5.12, copies of the tree that then appear elsewhere would be unchanged.
 * @throws {SyscallError} when the kernel refuses a change or the place.
 * @throws {Error} when somebody moves mounts meanwhile.
 */
export function attachTree(tree: Fd, target: Fd, change: TreeChange = {}): void {
  const changed = setAttributes(tree, change, AT_RECURSIVE);
  const flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  syscall("move_mount", tree.number, "", target.number, "", flags);
  if (!changed) changeInPlace(tree, change);
}

/**
 * Mounts what is at a path at another path, without the mounts below: mount(2) with `MS_BIND`.
 *
 * @throws {SyscallError} when one of the paths does not exist, or this process may not mount.
 */
export function bindMount(source: string, target: string): void {
  syscall("mount", source, target, null, MS_BIND, null);
}

/**
 * Replaces the flags of the mount at a path by these, such as {@linkcode MS_RDONLY}. The mounts
 * below stay as they are.
 *
 * @throws {SyscallError} `EINVAL` when no mount is there; `EPERM` when a flag is locked.
 */
export function remountBind(mountPoint: string, flags: number): void {
  syscall("mount", null, mountPoint, null, MS_REMOUNT | MS_BIND | flags, null);
}

/**
 * Makes one mount that is in place read-only, and none of those below it.
 *
 * @param root A descriptor of the mount's root.
 * @throws {SyscallError} when the kernel refuses.
 */
export function makeReadOnly(root: Fd): void {
  if (setAttributes(root, { readOnly: true }, 0)) return;
  const { mountId } = statFd(root);
  readMounts().filter(({ id }) => id === mountId).forEach((mount) => remount(mount, MS_RDONLY));
}

/**
 * Clones the tree of mounts that begins at an open file or directory.
 *
 * @param recursive Whether the mounts below are cloned too.
 * @throws {SyscallError} when this process may not mount.
 */
export function cloneTreeAt(source: Fd, recursive: boolean): Fd {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
    (recursive ? AT_RECURSIVE : 0);
  return new Fd(syscall("open_tree", source.number, "", flags));
}

/**
 * Opens a file through a mount that is read-only and in place nowhere: whoever gets at the file
 * through this descriptor can neither write to it nor change its mode or owner.
 *
 * @returns `undefined` before Linux 5.12, which cannot change a mount that is not in place, and for
 * a process that may not mount.
 * @throws {SyscallError} when there is no such file.
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
 * Takes a mount down at once, with all below it, even if it is in use. Processes that use it keep
 * it until they are done.
 *
 * @throws {SyscallError} `EINVAL` when no mount is there.
 */
export function detachMount(mountPoint: string): void {
  syscall("umount2", mountPoint, MNT_DETACH | UMOUNT_NOFOLLOW);
}

/**
 * Takes a mount down as {@linkcode detachMount} does.
 *
 * @param root A descriptor of the mount's root.
 * @throws {SyscallError} `EINVAL` when it is not in this mount namespace.
 */
export function detachMountOf(root: Fd): void {
  syscall("umount2", pathThrough(root), MNT_DETACH);
}

/**
 * Moves a mount over the root of this mount namespace. The old root stays below it, but no path
 * leads there any more.
 *
 * @param root A descriptor of the mount's root.
 * @throws {SyscallError} when the kernel refuses.
 */
export function coverRoot(root: Fd): void {
  syscall("move_mount", root.number, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
}

/**
 * Makes a mount the root of this mount namespace, and detaches the old root: pivot_root(2).
 *
 * @param root A descriptor of the mount's root, which becomes the working directory.
 * @throws {SyscallError} when it is not the root of a mount, or is shared.
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
  const { readOnly, noDevices, noPrograms, propagation } = change;
  const attributes = new BigUint64Array([
    BigInt(
      (readOnly ? MOUNT_ATTR_RDONLY : 0) | (noDevices ? MOUNT_ATTR_NODEV : 0) |
        (noPrograms ? MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC : 0),
    ),
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

/**
 * Propagation comes first: a mount that arrived after the others were remounted would be writable.
 */
function changeInPlace(tree: Fd, change: TreeChange): void {
  const { readOnly, noDevices, noPrograms, propagation } = change;
  if (propagation !== undefined) setPropagation(pathThrough(tree), propagation, true);
  const flags = (readOnly ? MS_RDONLY : 0) | (noDevices ? MS_NODEV : 0) |
    (noPrograms ? MS_NOSUID | MS_NOEXEC : 0);
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

/** The path is looked up once, and has to lead to this mount. */
function openMountRoot({ id, mountPoint }: MountPlace): Fd {
  const root = openFile(mountPoint, O_PATH);
  if (statFd(root).mountId === id) return root;
  root[Symbol.dispose]();
  throw new Error(`${mountPoint}: is not the mount that it was`);
}

/** A path that stands for a descriptor, for calls that take no descriptors. */
function pathThrough(fd: Fd): string {
  return `/proc/self/fd/${fd.number}`;
}

function configure(context: Fd, command: number, key?: string, value?: string): void {
  syscall("fsconfig", context.number, command, key ?? null, value ?? null, 0);
}
