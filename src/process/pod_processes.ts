/**
 * Which processes belong to a pod: those of its apps, and `run` where it stays.
 *
 * A process is an app's if its root directory is the app's, or if it is in a mount namespace that
 * begins in the app's root: chroot(2) changes the one, and not the other. The kernel vouches for
 * both; a number in a file does not, since numbers are used again.
 *
 * @module
 */

import { monotonicMicroseconds } from "../linux/clock.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { inMounts, namespaceIdentity, openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import {
  listProcesses,
  openProcess,
  parentOf,
  rootIdentity,
  SIGKILL,
  signalProcess,
  SIGSTOP,
  startOf,
  throughThread,
} from "../linux/process.ts";
import { identityAt, statFd } from "../linux/stat.ts";
import type { Debug } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

/** How many milliseconds there is for processes that start others faster than they are killed. */
const PATIENCE = 30_000;

/** A process of the pod, held so that its number cannot come to mean another. */
export interface HeldProcess {
  pid: number;
  process: Fd;
}

/** What tells the processes of some apps from all others. */
export interface AppMarks extends Disposable {
  /** The apps' root directories, in the form of {@linkcode FileStatus.identity}. */
  roots: ReadonlySet<string>;
  /**
   * The mount namespaces that begin in one of them, likewise. They are held, so that no other gets
   * their numbers.
   */
  namespaces: ReadonlyMap<string, Fd>;
}

/**
 * Finds out what tells the processes of some apps.
 *
 * Where a namespace begins can be seen only from inside, so this thread visits each that it is not
 * in itself. That takes `CAP_SYS_ADMIN` and `CAP_SYS_CHROOT`; to compare processes with the marks
 * takes neither.
 *
 * @param rootfs The apps' root file systems, relative to the pod directory.
 * @param pids The processes whose namespaces may be the apps': all, if it is not said.
 * @throws {SyscallError}
 */
export function openAppMarks(rootfs: readonly string[], pids = listProcesses()): AppMarks {
  const roots = new Set(rootfs.map(identityOf).filter((root) => root !== undefined));
  const namespaces = new Map<string, Fd>();
  // No namespace begins in the root of an app that there is not.
  for (const namespace of roots.size === 0 ? [] : otherMountNamespaces(pids)) {
    const root = inMounts(namespace, () => identityAt("/"));
    if (roots.has(root)) namespaces.set(statFd(namespace).identity, namespace);
    else namespace[Symbol.dispose]();
  }
  const dispose = () => namespaces.forEach((namespace) => namespace[Symbol.dispose]());
  return { roots, namespaces, [Symbol.dispose]: dispose };
}

/**
 * Opens each mount namespace of processes once, but for this thread's own. They are the caller's to
 * close.
 */
function* otherMountNamespaces(pids: readonly number[]): Generator<Fd> {
  const seen = new Set([namespaceIdentity("thread-self", "mnt")]);
  for (const pid of pids) {
    if (seen.has(namespaceIdentity(pid, "mnt"))) continue;
    const namespace = unlessGone(() => openNamespace(pid, "mnt"));
    if (namespace === undefined) continue;
    // The process may have gone elsewhere since it was looked at.
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
 * Looks at one process.
 *
 * @returns `undefined` when it is not one of the apps', or gone.
 * @throws {SyscallError}
 */
export function holdAppProcess(pid: number, marks: AppMarks): HeldProcess | undefined {
  // Most processes are nobody's, and need not be held to see that.
  return isAppProcess(pid, marks) ? hold(pid, () => isAppProcess(pid, marks)) : undefined;
}

/**
 * Looks for all processes of some apps. Each is held until the next one is asked for: they may be
 * more than a process can have descriptors.
 *
 * @throws {SyscallError}
 */
export function* findAppProcesses(marks: AppMarks): Generator<HeldProcess> {
  for (const pid of listProcesses()) {
    const member = holdAppProcess(pid, marks);
    if (member === undefined) continue;
    using _held = member.process;
    yield member;
  }
}

/**
 * Kills all processes of some apps, also those that others start before it is their turn.
 *
 * @param isOver What else tells that there are no more: one that has started another, and ended, may be missed with
 *   it whenever /proc is read.
 * @returns How many there were.
 * @throws {Error} when they start others faster than these can be found.
 * @throws {SyscallError}
 */
export function killAppProcesses(marks: AppMarks, debug: Debug, isOver = () => true): number {
  const killed = new SignalledOnce(marks, SIGKILL, debug);
  const isDone = () => killed.signalMore() === 0 && isOver();
  if (isDone() || isDone()) return killed.count;
  // Who is stopped starts nothing, and keeps the place that another one would get.
  const stopped = new SignalledOnce(marks, SIGSTOP, debug);
  const deadline = monotonicMicroseconds() + 1000 * PATIENCE;
  const isTime = () => monotonicMicroseconds() < deadline;
  do {
    while (stopped.signalMore() > 0 && isTime());
    if (isDone()) return killed.count;
  } while (isTime());
  throw new Error("the pod's processes start others faster than they can be killed");
}

/**
 * A signal that each process of some apps gets once. Who is killed may be there for a while, and be
 * found again.
 */
class SignalledOnce {
  readonly #known = new Set<string>();

  constructor(
    readonly marks: AppMarks,
    readonly signal: number,
    readonly debug: Debug,
  ) {}

  /** How many have got it. */
  get count(): number {
    return this.#known.size;
  }

  /** @returns How many have been seen that had not got it: some may have gone before they could. */
  signalMore(): number {
    let seen = 0;
    // Who does not stay for long is among the last that have begun.
    for (const pid of listProcesses().reverse()) {
      if (!isAppProcess(pid, this.marks)) continue;
      const name = `${pid} ${startOf(pid)}`;
      if (this.#known.has(name)) continue;
      seen++;
      if (this.#signalOne(pid)) this.#known.add(name);
    }
    return seen;
  }

  #signalOne(pid: number): boolean {
    const member = holdAppProcess(pid, this.marks);
    if (member === undefined) return false;
    using process = member.process;
    this.debug(`signal ${this.signal} to ${pid}`);
    signalProcess(process, this.signal);
    return true;
  }
}

/**
 * Whether a process is one of the apps', at this moment.
 *
 * @throws {SyscallError}
 */
export function isAppProcess(pid: number, { roots, namespaces }: AppMarks): boolean {
  if (roots.size === 0) return false;
  const root = rootIdentity(pid);
  if (root !== undefined && roots.has(root)) return true;
  const namespace = namespaces.size === 0 ? undefined : namespaceIdentity(pid, "mnt");
  return namespace !== undefined && namespaces.has(namespace);
}

/**
 * Opens the root of an app whose process may have another one by now.
 *
 * @param pid One of the app's processes.
 * @returns `undefined` when it is not one of the app's, or gone.
 * @throws {SyscallError}
 */
export function openAppRoot(pid: number, { roots, namespaces }: AppMarks): Fd | undefined {
  const root = throughThread(
    pid,
    (directory) => openFile(`${directory}/root`, O_PATH | O_DIRECTORY),
  );
  if (root === undefined || roots.has(statFd(root).identity)) return root;
  root[Symbol.dispose]();
  const namespace = namespaces.get(namespaceIdentity(pid, "mnt") ?? "");
  return namespace && inMounts(namespace, () => openFile("/", O_PATH | O_DIRECTORY));
}

/**
 * The first process of a pod whose apps are supervised.
 *
 * @param pid What `run` left in the `pid` file: the pod's pid 1, which is its child, or itself.
 * @returns `undefined` when that process is not this pod's, or gone.
 * @throws {SyscallError}
 */
export function findFirstProcess(pid: number): HeldProcess | undefined {
  return hold(pid, () => supervisorOf(pid) !== undefined);
}

/**
 * The `run` that stays with a pod whose apps are supervised, or has yet to start them.
 *
 * It is told by its program, which is the one in this pod, and by its working directory, which is
 * the pod's.
 *
 * @param pid As for {@linkcode findFirstProcess}; without it, all processes are looked at.
 * @returns `undefined` when there is none.
 * @throws {SyscallError}
 */
export function findSupervisor(pid?: number): HeldProcess | undefined {
  const marks = supervisorMarks();
  const isOfPod = (each: number) => isSupervisor(each, marks);
  const supervisor = pid === undefined ? listProcesses().find(isOfPod) : supervisorOf(pid, marks);
  return supervisor === undefined ? undefined : hold(supervisor, () => isOfPod(supervisor));
}

/** Its number alone, at this moment. */
export function supervisorOf(pid: number, marks = supervisorMarks()): number | undefined {
  return [pid, parentOf(pid)].find((each) => each !== undefined && isSupervisor(each, marks));
}

/**
 * Held first and looked at then: if the number changed hands in between, the one that we hold is
 * dead and signals to it go nowhere.
 */
function hold(pid: number, isOfPod: () => boolean): HeldProcess | undefined {
  const process = openProcess(pid);
  if (process === undefined) return undefined;
  if (isOfPod()) return { pid, process };
  process[Symbol.dispose]();
  return undefined;
}

/** By what a pod's `run` is told, in the form of {@linkcode FileStatus.identity}. */
interface SupervisorMarks {
  directory: string | undefined;
  program: string | undefined;
}

function supervisorMarks(): SupervisorMarks {
  return { directory: identityOf("."), program: identityOf(POD_PATHS.run) };
}

function isSupervisor(pid: number, { directory, program }: SupervisorMarks): boolean {
  if (directory === undefined || program === undefined) return false;
  return identityOf(`/proc/${pid}/cwd`) === directory && identityOf(`/proc/${pid}/exe`) === program;
}

function identityOf(path: string): string | undefined {
  return unlessGone(() => identityAt(path));
}

/** What is in /proc goes with its process. */
function unlessGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR", "ESRCH", "EACCES")) return undefined;
    throw error;
  }
}
