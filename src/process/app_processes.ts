/**
 * The processes of a pod's apps, told from all others.
 *
 * A process is an app's if its root directory is the app's, or if it is in a mount namespace that
 * begins in the app's root: chroot(2) changes the root, and not the namespace.
 *
 * An app that may mount can cover that root, or pivot to another one. So `run` records the process
 * that an app begins with, and the mount namespace that it makes for the app. Numbers are used
 * again: a process is known by its id together with the time when it began, a namespace by a number
 * that is never used again, or, where the kernel has none, as long as that process is in it.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { inMounts, mountsNumber, namespaceIdentity, openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import {
  listProcesses,
  lookAtOthers,
  rootIdentity,
  startOf,
  throughThread,
} from "../linux/proc.ts";
import { identityAt, statFd } from "../linux/stat.ts";
import type { RecordedProcess } from "../stage1/processes_file.ts";
import { type HeldProcess, holdProcess, identityIfThere } from "./held_process.ts";

/** What tells the processes of some apps from all others. */
export interface AppMatcher extends Disposable {
  /** The apps' root directories, in the form of {@linkcode FileStatus.identity}. */
  roots: ReadonlySet<string>;
  /**
   * The mount namespaces that begin in one of the roots, or were made for the apps, by identity.
   * They are held open, so that no other namespace gets their numbers.
   */
  namespaces: ReadonlyMap<string, Fd>;
  /** When the processes that the apps began with began, by their ids: {@linkcode startOf}. */
  first: ReadonlyMap<number, string>;
}

/**
 * Finds out what tells the processes of some apps.
 *
 * Where a namespace begins can be seen only from inside, so this thread visits each namespace but
 * its own. That takes `CAP_SYS_ADMIN` and `CAP_SYS_CHROOT`; to compare processes later takes
 * neither.
 *
 * @param rootfs The apps' root file systems, relative to the pod directory.
 * @param recorded The processes of these apps that `run` has recorded.
 * @param pids The processes whose namespaces may be the apps'; all by default.
 * @throws {SyscallError} when a namespace cannot be visited.
 */
export function openAppMatcher(
  rootfs: readonly string[],
  recorded: readonly RecordedProcess[],
  pids = listProcesses(),
): AppMatcher {
  const roots = new Set(rootfs.map(identityIfThere).filter((root) => root !== undefined));
  const namespaces = new Map<string, Fd>();
  // Where no app has a root and none has begun, no namespace is an app's.
  const candidates = roots.size === 0 && recorded.length === 0 ? [] : otherMountNamespaces(pids);
  for (const namespace of candidates) {
    const isOfApp = wasMadeFor(recorded, namespace) || beginsIn(roots, namespace);
    if (isOfApp) namespaces.set(statFd(namespace).identity, namespace);
    else namespace[Symbol.dispose]();
  }
  const first = new Map(recorded.map(({ pid, start }) => [pid, start]));
  const dispose = () => namespaces.forEach((namespace) => namespace[Symbol.dispose]());
  return { roots, namespaces, first, [Symbol.dispose]: dispose };
}

/**
 * Tells whether a mount namespace begins in one of the roots. It does not where the kernel refuses
 * a look: somebody else's FUSE refuses it even to root, and there is no app's root in it.
 */
function beginsIn(roots: ReadonlySet<string>, namespace: Fd): boolean {
  return inMounts(namespace, () => {
    const root = lookAtOthers(() => identityAt("/"));
    return root !== undefined && roots.has(root);
  });
}

/** Tells whether `run` made a mount namespace for one of the apps. */
function wasMadeFor(recorded: readonly RecordedProcess[], namespace: Fd): boolean {
  const number = mountsNumber(namespace);
  const { identity } = statFd(namespace);
  return recorded.some(({ pid, start, mounts, mountsNumber }) =>
    mountsNumber === undefined
      ? mounts === identity && namespaceIdentity(pid, "mnt") === identity && startOf(pid) === start
      : mountsNumber === number
  );
}

/**
 * Opens each mount namespace of the processes once, but for this thread's own. The caller closes
 * them.
 */
function* otherMountNamespaces(pids: readonly number[]): Generator<Fd> {
  const seen = new Set([namespaceIdentity("thread-self", "mnt")]);
  for (const pid of pids) {
    if (seen.has(namespaceIdentity(pid, "mnt"))) continue;
    const namespace = lookAtOthers(() => openNamespace(pid, "mnt"));
    if (namespace === undefined) continue;
    // The process may have changed its namespace since it was looked at.
    const identity = statFd(namespace).identity;
    if (seen.has(identity)) {
      namespace[Symbol.dispose]();
      continue;
    }
    seen.add(identity);
    yield namespace;
  }
}

/**
 * Tells whether a process is one of the apps', at this moment.
 *
 * @throws {SyscallError} when the process cannot be looked at.
 */
export function isAppProcess(pid: number, { roots, namespaces, first }: AppMatcher): boolean {
  if (roots.size === 0 && first.size === 0) return false;
  const root = rootIdentity(pid);
  if (root !== undefined && roots.has(root)) return true;
  // A root that cannot be seen says nothing: the app may have gone into a file system of its own.
  const namespace = root !== undefined && namespaces.size === 0
    ? undefined
    : namespaceIdentity(pid, "mnt");
  if (namespace !== undefined && namespaces.has(namespace)) return true;
  // A zombie has neither, and is nobody's process any more.
  if (root === undefined && namespace === undefined) return false;
  return first.has(pid) && startOf(pid) === first.get(pid);
}

/**
 * Holds a process, if it is one of the apps'.
 *
 * @returns `undefined` when it is not, or gone.
 * @throws {SyscallError} when the process cannot be looked at.
 */
export function holdAppProcess(pid: number, apps: AppMatcher): HeldProcess | undefined {
  // Most processes are no app's, and need not be held to see that.
  return isAppProcess(pid, apps) ? holdProcess(pid, () => isAppProcess(pid, apps)) : undefined;
}

/**
 * Looks for all processes of some apps. Each is held until the next one is asked for: they may be
 * more than a process can have descriptors.
 *
 * @throws {SyscallError} when a process cannot be looked at.
 */
export function* findAppProcesses(apps: AppMatcher): Generator<HeldProcess> {
  for (const pid of listProcesses()) {
    const held = holdAppProcess(pid, apps);
    if (held === undefined) continue;
    using _process = held.process;
    yield held;
  }
}

/**
 * Opens the root of an app, although its process may have called chroot(2): the root where the
 * process's mount namespace begins. That is the root that `run` built, unless the app has covered
 * it, or has pivoted to another one.
 *
 * @param pid One of the app's processes.
 * @param mounts Its mount namespace.
 * @throws {SyscallError} when the root cannot be opened.
 */
export function openAppRoot(pid: number, mounts: Fd, { roots }: AppMatcher): Fd {
  const root = throughThread(
    pid,
    (directory) => openFile(`${directory}/root`, O_PATH | O_DIRECTORY),
  );
  if (root !== undefined && isAmong(roots, root)) return root;
  root?.[Symbol.dispose]();
  return inMounts(mounts, () => openFile("/", O_PATH | O_DIRECTORY));
}

function isAmong(roots: ReadonlySet<string>, root: Fd): boolean {
  const identity = lookAtOthers(() => statFd(root).identity);
  return identity !== undefined && roots.has(identity);
}
