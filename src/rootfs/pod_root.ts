/**
 * The root of a pod with namespaces of its own: directories in memory with the kernel's file
 * systems, as the pod's namespaces show them. The pod's pid 1 is in this root; apps are not, but
 * get clones of its mounts.
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { CLONE_NEWNS } from "../linux/clone_flags.ts";
import { listIfThere, makeDirectory, makeLink, makeNode } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { AT_FDCWD, type Fd } from "../linux/fd.ts";
import {
  attachTree,
  bindMount,
  cloneTree,
  cloneTreeAt,
  makeFileSystem,
  MOUNT_ATTR_NODEV,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  remountBind,
  setPropagation,
} from "../linux/mount.ts";
import {
  changeRoot,
  inMounts,
  inNetwork,
  inOwnMounts,
  openNamespace,
} from "../linux/namespaces.ts";
import {
  O_CREAT,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  openBeneath,
  openFile,
} from "../linux/open.ts";
import { setOwnerAt } from "../linux/ownership.ts";
import { type FileKind, lstatAt } from "../linux/stat.ts";
import { TERMINAL_MODE } from "../linux/terminal.ts";
import { CGROUPS, type Hierarchy, hierarchyName, hierarchyPath } from "../plan/cgroup/names.ts";
import { describeMask } from "../plan/describe_steps.ts";
import type { Owner } from "../plan/id_range.ts";
import { STANDARD_DEVICES } from "../plan/rootfs/devices.ts";
import { type Access, expandPath, type MaskedPath } from "../plan/rootfs/masked_paths.ts";
import type { PodTreeStep } from "../plan/rootfs/mount_steps.ts";
import { NULL_CONSOLE, SYSLOG_DIRECTORY } from "../plan/rootfs/mounts.ts";
import { DEV_LIMITS, TMPFS_LIMITS } from "../plan/rootfs/tmpfs_limits.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { detachPropagation, moveIntoRoot } from "./app_root.ts";

/** A root in a mount namespace of its own. */
export interface OwnRoot {
  /** The mount namespace. */
  mounts: Fd;
  root: Fd;
}

/** The root of a pod. */
export interface PodRoot extends OwnRoot {
  /** The root of the pod's devpts. */
  terminals: Fd;
  /**
   * The pod's /dev/null. Through the host's, an app could change the mode of a file of the host.
   */
  nothing: Fd;
  /**
   * The directory of the sockets of logs, through a mount that is in place nowhere. Sockets can be
   * made in it when the root itself is read-only.
   */
  syslog: Fd;
}

const DEVICE_LINKS: Readonly<Record<string, string>> = {
  fd: "/proc/self/fd",
  stdin: "/proc/self/fd/0",
  stdout: "/proc/self/fd/1",
  stderr: "/proc/self/fd/2",
  core: "/proc/kcore",
  ptmx: "pts/ptmx",
};

/** The most terminals of a pod: the kernel bounds those of all pods together. */
const MOST_PTYS = "256";
/** The group that owns terminals, on every distribution. */
const TTY_GROUP = 5;
/** The file that hides files: it is empty, and has no permissions. */
const HIDDEN_FILE = "/hidden-file";
/** An empty directory that nobody may look into. It is mounted over directories to hide them. */
const HIDDEN_DIRECTORY = "/hidden-directory";
/** The directory that hides /sys/fs. It has only the directory `cgroup`. */
const HIDDEN_FILE_SYSTEMS = "/hidden-file-systems";
const FILE_SYSTEMS = "/sys/fs";
/** The directory with a place for each hierarchy of cgroups. */
const CGROUP_PLACES = `${HIDDEN_FILE_SYSTEMS}/cgroup`;
const STRICT = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/**
 * Makes the root, without the mounts that depend on the pod's other namespaces.
 *
 * @param owner The owner of what is made in it.
 * @param hierarchies Those in which the pod is to have cgroups.
 * @throws {SyscallError} when a mount or file cannot be made.
 */
export function makePodRoot(
  owner: Owner,
  hierarchies: readonly Hierarchy[],
  debug: Debug,
): PodRoot {
  return inOwnMounts(() => {
    const mounts = openNamespace("self", "mnt");
    detachPropagation("private");
    const options = { mode: "755", ...DEV_LIMITS, ...mountOwner(owner) };
    const root = mountNew("tmpfs", POD_PATHS.stage1Rootfs, options);
    moveIntoRoot(root, debug);
    for (const name of ["proc", "sys", "dev"]) makeDirectory(`/${name}`);
    makeHiding(hierarchies);
    makeDirectory(SYSLOG_DIRECTORY, 0o700);
    const [major, minor] = STANDARD_DEVICES.null;
    makeNode(NULL_CONSOLE, 0o666, major, minor, owner);
    const terminals = fillDev(owner);
    const nothing = openFile("/dev/null", O_RDWR);
    return { mounts, root, terminals, nothing, syslog: cloneTree(SYSLOG_DIRECTORY, false) };
  });
}

function makeHiding(hierarchies: readonly Hierarchy[]): void {
  openFile(HIDDEN_FILE, O_RDONLY | O_CREAT, 0)[Symbol.dispose]();
  makeDirectory(HIDDEN_DIRECTORY, 0);
  makeDirectory(HIDDEN_FILE_SYSTEMS);
  makeDirectory(CGROUP_PLACES);
  const inPlaces = (path: string) => CGROUP_PLACES + path.slice(CGROUPS.length);
  for (const hierarchy of hierarchies) {
    const path = hierarchyPath(hierarchy, hierarchies);
    if (path === CGROUPS) continue;
    makeDirectory(inPlaces(path));
    // As on a host, a hierarchy of several controllers also has the name of each.
    const { mountOptions } = hierarchy;
    for (const alias of mountOptions.length > 1 ? mountOptions : []) {
      makeLink(hierarchyName(hierarchy), `${CGROUP_PLACES}/${alias}`);
    }
  }
}

/** Mounts and fills /dev, and returns the root of its devpts. */
function fillDev(owner: Owner): Fd {
  const own = mountOwner(owner);
  mountNew("tmpfs", "/dev", { mode: "755", ...DEV_LIMITS, ...own })[Symbol.dispose]();
  for (const [name, [major, minor]] of Object.entries(STANDARD_DEVICES)) {
    makeNode(`/dev/${name}`, 0o666, major, minor, owner);
  }
  for (const [name, target] of Object.entries(DEVICE_LINKS)) makeLink(target, `/dev/${name}`);
  for (const name of ["pts", "shm", "mqueue"]) makeDirectory(`/dev/${name}`);
  const pts = {
    mode: TERMINAL_MODE.toString(8),
    ptmxmode: "0666",
    gid: `${owner.gid + TTY_GROUP}`,
    max: MOST_PTYS,
  };
  const terminals = mountNew("devpts", "/dev/pts", pts);
  for (const name of ["", "ptmx"]) setOwnerAt(terminals, name, owner);
  const shm = { mode: "1777", ...TMPFS_LIMITS, ...own };
  mountNew("tmpfs", "/dev/shm", shm, MOUNT_ATTR_NODEV)[Symbol.dispose]();
  // What is each app's own is mounted on these files.
  for (const name of ["console", "log"]) {
    openFile(`/dev/${name}`, O_RDONLY | O_CREAT, 0o600)[Symbol.dispose]();
  }
  return terminals;
}

function mountOwner({ uid, gid }: Owner): { uid: string; gid: string } {
  return { uid: `${uid}`, gid: `${gid}` };
}

/**
 * Records the mounts that show a namespace. A process that is in that namespace has to make them.
 *
 * @param hasIpc Whether the pod has an IPC namespace, and so message queues, of its own.
 */
export function recordNamespaceMounts(script: CallScript, hasIpc: boolean): void {
  const mount = (type: string, target: string, flags: number) =>
    script.call("mount", type, target, type, flags, null);
  mount("proc", "/proc", STRICT);
  mount("sysfs", "/sys", STRICT | MS_RDONLY);
  if (hasIpc) mount("mqueue", "/dev/mqueue", STRICT);
}

/** Records the move into the pod's root. */
export function recordMoveInto({ mounts, root }: OwnRoot, script: CallScript): void {
  script.call("setns", mounts.number, CLONE_NEWNS);
  // On a host whose root cannot be pivoted from, the namespace's root is still the host's.
  changeRoot(root, script.call);
}

/**
 * Hides and write-protects paths of the pod's own /proc and /sys, once these are mounted. The
 * clones that apps get later have the same masks. Write the pod's kernel settings before.
 *
 * Paths are walked here, which is safe: only the kernel and this process have made what is in this
 * root, and no process of an app has begun. Descriptors would not do: before Linux 5.12 a mount is
 * changed by the path that /proc shows for its descriptor, and this process is not in the pod's PID
 * namespace.
 *
 * @param network The pod's own network namespace, if it has one: /proc/sys/net shows the files of
 * the namespace that the process which looks is in.
 * @throws {Error} when a path cannot be masked; it names the path.
 */
export function maskPodRoot(
  { mounts, root }: OwnRoot,
  masks: readonly MaskedPath[],
  network: Fd | undefined,
  debug: Debug,
): void {
  for (const mask of masks) debug(describeMask(mask));
  const act = () =>
    inMounts(mounts, () => {
      changeRoot(root);
      const found = masks.flatMap(findMasked);
      // Paths that stay writable are bound before the directories that they are in become
      // read-only.
      for (const { path, cover } of found) withContext(path, () => bindMount(cover, path));
      for (const { path, access } of found) {
        if (access !== "read-write") withContext(path, () => remountBind(path, MS_RDONLY | STRICT));
      }
      // What hides /sys/fs has the places of cgroups in it.
      if (found.every(({ path }) => path !== FILE_SYSTEMS)) bindCgroupPlaces();
    });
  if (network) inNetwork(network, act);
  else act();
}

/**
 * Makes the root itself read-only, and none of the mounts below it. An app that may look into pid 1
 * gets there, and could otherwise take these mounts away from apps that are added later: the kernel
 * lets everybody remove a directory that something is mounted on in another mount namespace.
 *
 * The path is walked as in {@linkcode maskPodRoot}.
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function protectPodRoot({ mounts, root }: OwnRoot): void {
  inMounts(mounts, () => {
    changeRoot(root);
    remountBind("/", MS_RDONLY);
  });
}

/** A kernel without cgroups has no directory for them. */
function bindCgroupPlaces(): void {
  if (kindIfThere(CGROUPS) === undefined) return;
  bindMount(CGROUP_PLACES, CGROUPS);
  remountBind(CGROUPS, MS_RDONLY | STRICT);
}

/** A path that exists, and what is to be mounted on it. */
interface Masked {
  path: string;
  cover: string;
  access: Access;
}

function findMasked({ target, access }: MaskedPath): Masked[] {
  return expandPath(target, listIfThere).flatMap((path) => {
    const kind = kindIfThere(path);
    if (kind === undefined) return [];
    const hiding = hidingOf(path, kind);
    return [{ path, cover: access === "hidden" ? hiding : path, access }];
  });
}

function hidingOf(path: string, kind: FileKind): string {
  if (path === FILE_SYSTEMS) return HIDDEN_FILE_SYSTEMS;
  return kind === "directory" ? HIDDEN_DIRECTORY : HIDDEN_FILE;
}

function kindIfThere(path: string): FileKind | undefined {
  try {
    return lstatAt(AT_FDCWD, path)?.kind;
  } catch (error) {
    if (failedWith(error, "ENOTDIR")) return undefined;
    throw error;
  }
}

/**
 * Shows cgroups in the pod's own root, read-only. Clones of /sys that apps have got before do not
 * show them. Paths are walked as in {@linkcode maskPodRoot}.
 *
 * @param trees Clones of the cgroups, by where they belong. They are closed.
 * @throws {SyscallError} when one of them cannot be put in place.
 */
export function showCgroups({ mounts, root }: OwnRoot, trees: ReadonlyMap<string, Fd>): void {
  if (trees.size === 0) return;
  inMounts(mounts, () => {
    changeRoot(root);
    for (const [path, tree] of trees) {
      attachAt(tree, path);
      setPropagation(path, "private", false);
      remountBind(path, MS_RDONLY | STRICT);
      tree[Symbol.dispose]();
    }
  });
}

/**
 * Clones the mounts of the pod's root that an app gets. Apps of the pod may run already, and have
 * changed what is in its /dev: a link there could lead to what another app has.
 *
 * @throws {SyscallError} when one of them cannot be cloned; `ELOOP` where there is a link.
 */
export function clonePodTrees(
  { mounts, root }: OwnRoot,
  steps: readonly PodTreeStep[],
): Map<PodTreeStep, Fd> {
  const clone = (source: string) => {
    using place = openBeneath(root, source.slice(1), O_PATH);
    return cloneTreeAt(place, true);
  };
  return inMounts(mounts, () => new Map(steps.map((step) => [step, clone(step.source)])));
}

function mountNew(
  type: string,
  target: string,
  options: Record<string, string>,
  attributes = 0,
): Fd {
  const tree = makeFileSystem(type, options, attributes);
  attachAt(tree, target);
  return tree;
}

function attachAt(tree: Fd, target: string): void {
  using place = openFile(target, O_PATH | O_DIRECTORY);
  attachTree(tree, place);
}
