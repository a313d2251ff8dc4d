/**
 * Mount targets in an app's root, which may be hostile. They are found or made without leaving it.
 *
 * @module
 */

import { makeDirectoryAt, unlessThere } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import {
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  openAt,
  openBeneath,
  openInRoot,
} from "../linux/open.ts";
import { setMode, setOwnerAt } from "../linux/ownership.ts";
import { writeText } from "../linux/read_write.ts";
import { lstatAt, statFd } from "../linux/stat.ts";
import type { Owner } from "../plan/id_range.ts";
import { writingFile } from "../stage1/context.ts";
import { findWay, openIfThere } from "./way.ts";

/** The kind that a mount needs of its target. `any`: what is there, or else a new directory. */
export type TargetKind = "directory" | "file" | "any";

/** The root of an app, while it is built. */
export interface AppRoot {
  /** A descriptor of its directory. */
  fd: Fd;
  /** The ids of the mounts in it that go with the pod. */
  ownMounts: Set<number>;
  /**
   * The ids of the host's volumes that the app may write to. Targets of other volumes are made in
   * them; nothing else is, and nothing at all in any other mount of the host.
   */
  hostVolumes: Set<number>;
  /** The fields that ask for volumes, and for files of name resolution, by the mounts' ids. */
  taken: Map<number, string>;
  /** The owner of what is made in its own mounts; this process's user if `undefined`. */
  owner: Owner | undefined;
}

/**
 * The most files and directories that are made for one target: its path has fewer names. Somebody
 * who shares a volume may remove what is made there.
 */
const MOST_MADE = 4096;

/**
 * Opens a mount target. Where it or its parents are missing, they are made.
 *
 * Symbolic links, also absolute and dangling ones, are followed as for a process whose root this
 * is.
 *
 * @param isVolume Whether it may be made in another volume of the host: only volumes' targets are,
 * which the operator has asked for there.
 * @returns A descriptor (`O_PATH`) of the target.
 * @throws {Error} when the target is not of that kind, or is the root itself, or would have to be
 * made on the host, or where a link of another volume leads.
 * @throws {SyscallError} when the path cannot be walked, or the target not be made.
 */
export function openTarget(
  root: AppRoot,
  path: string,
  kind: TargetKind,
  isVolume = false,
): Fd {
  const mayMake = (mount: number) =>
    root.ownMounts.has(mount) || (isVolume && root.hostVolumes.has(mount));
  const make: Make = (parent, name) => makeAt(root, parent, name, kind);
  const fd = openOrMake(root, path, mayMake, make);
  try {
    requireMountable(root, fd, path, kind);
    return fd;
  } catch (error) {
    fd[Symbol.dispose]();
    throw error;
  }
}

/**
 * Opens a directory directly below the root. Where it is missing, it is made. A symbolic link is
 * not followed: mounts made later could change where it leads.
 *
 * @param path The directory's path, such as `/proc`.
 * @returns A descriptor (`O_PATH`) of the directory.
 * @throws {Error} when something else is there.
 * @throws {SyscallError} when it can neither be opened nor made.
 */
export function openRootDirectory(root: AppRoot, path: string): Fd {
  const name = path.slice(1);
  if (lstatAt(root.fd, name) === undefined) makeAt(root, root.fd, name, "directory");
  const fd = openAt(root.fd, name, O_PATH | O_NOFOLLOW);
  try {
    if (statFd(fd).kind === "symlink") {
      throw new Error("is a symbolic link in the app; only a directory can be there, or nothing");
    }
    requireMountable(root, fd, path, "directory");
    return fd;
  } catch (error) {
    fd[Symbol.dispose]();
    throw error;
  }
}

/**
 * Makes a directory right below the root, unless something has its name: a directory, file or link
 * of the image's stays as it is.
 *
 * @param path The directory's path, such as `/tmp`.
 * @throws {SyscallError} when it cannot be made.
 */
export function makeRootDirectory(root: AppRoot, path: string, mode: number): void {
  const name = path.slice(1);
  if (lstatAt(root.fd, name) !== undefined) return;
  makeAt(root, root.fd, name, "directory");
  using made = openAt(root.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  setMode(made, mode);
}

/**
 * Writes a file, unless something is at its path already.
 *
 * @throws {Error} when it would have to be made on the host, or where a link of a volume leads.
 * @throws {SyscallError} when its path cannot be walked, or the file not be written.
 */
export function writeIfMissing(root: AppRoot, path: string, text: string): void {
  const mayMake = (mount: number) => root.ownMounts.has(mount);
  using _file = openOrMake(root, path, mayMake, (parent, name) => {
    using file = createAt(root, parent, name);
    writingFile(path, () => writeText(file, text));
  });
}

function requireMountable(root: AppRoot, target: Fd, path: string, kind: TargetKind): void {
  const found = statFd(target);
  if (found.identity === statFd(root.fd).identity) {
    throw new Error(`${path} is the app's root itself`);
  }
  const isDirectory = found.kind === "directory";
  if (isDirectory && kind === "file") {
    throw new Error(`${path} is a directory in the app, and what is to be mounted there is none`);
  }
  if (!isDirectory && kind === "directory") {
    throw new Error(
      `${path} is not a directory in the app, and what is to be mounted there is one`,
    );
  }
}

type Make = (parent: Fd, name: string) => void;

/**
 * Opens the whole path. While a part of it is missing, makes that and tries again.
 *
 * @param mayMake Tells whether something may be made in a mount, by its id.
 */
function openOrMake(
  root: AppRoot,
  path: string,
  mayMake: (mount: number) => boolean,
  makeLast: Make,
): Fd {
  for (let made = 0; made < MOST_MADE; made++) {
    const found = tryOpen(root.fd, path);
    if (found !== undefined) return found;
    const { missing, linkMounts } = findWay(root.fd, path);
    // Somebody who shares a volume may make the same at the same time.
    if (missing === undefined) continue;
    const { directory, name, rest } = missing;
    using parent = openBeneath(root.fd, directory || ".", O_PATH | O_DIRECTORY);
    const { mountId } = statFd(parent);
    if (!mayMake(mountId)) {
      throw new Error(`${path} is not there, and would have to be made on the host`);
    }
    if (isLedToByOthers(root, mountId, linkMounts)) {
      throw new Error(`${path} is not there, and would be made where another volume's link leads`);
    }
    makeChain(root, parent, [name, ...rest], makeLast);
  }
  throw new Error(`${path}: what is made there is removed again`);
}

/**
 * Makes directories, each in the one before, and the last thing in them. To look up the whole path
 * for each of them would take hours for one of thousands of names.
 *
 * Somebody who shares a volume may put something else in their places. Then, and at a `..`, the
 * rest is left to the next attempt.
 */
function makeChain(root: AppRoot, first: Fd, names: readonly string[], makeLast: Make): void {
  const { mountId } = statFd(first);
  let own: Fd | undefined;
  try {
    for (const [i, name] of names.entries()) {
      if (name === "..") return;
      const parent = own ?? first;
      if (i === names.length - 1) return unlessThere(() => makeLast(parent, name));
      unlessThere(() => makeAt(root, parent, name, "directory"));
      const next = openIfThere(parent, name, O_DIRECTORY);
      own?.[Symbol.dispose]();
      own = next;
      if (own === undefined || statFd(own).mountId !== mountId) return;
    }
  } finally {
    own?.[Symbol.dispose]();
  }
}

/**
 * Checks whether links in other mounts than itself and the image's root lead to a volume. Whoever
 * may write there would choose by them what is made in the volume.
 */
function isLedToByOthers(
  { fd, taken }: AppRoot,
  mount: number,
  linkMounts: ReadonlySet<number>,
): boolean {
  if (!taken.has(mount)) return false;
  const image = statFd(fd).mountId;
  return [...linkMounts].some((id) => id !== image && id !== mount);
}

function tryOpen(root: Fd, path: string): Fd | undefined {
  try {
    return openInRoot(root, path, O_PATH);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}

function makeAt(root: AppRoot, parent: Fd, name: string, kind: TargetKind): void {
  if (kind === "file") return createAt(root, parent, name)[Symbol.dispose]();
  makeDirectoryAt(parent, name);
  giveToOwner(root, parent, name);
}

function createAt(root: AppRoot, parent: Fd, name: string): Fd {
  const file = openAt(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
  setMode(file, 0o644);
  giveToOwner(root, parent, name);
  return file;
}

/**
 * Gives what has been made to the root's owner. Not in a volume of the host: there, another pod may
 * have put something else of the host in its place by now.
 */
function giveToOwner(root: AppRoot, parent: Fd, name: string): void {
  if (!root.owner || !root.ownMounts.has(statFd(parent).mountId)) return;
  setOwnerAt(parent, name, root.owner);
}
