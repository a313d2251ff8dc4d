/**
 * Removing a pod's cgroups, and killing the processes in them.
 *
 * @module
 */

import {
  cgroupKill,
  freeze,
  isFreezing,
  listCgroupProcesses,
  removeCgroup,
  thaw,
} from "../linux/cgroup_processes.ts";
import { waitMilliseconds } from "../linux/clock.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { startOf } from "../linux/proc.ts";
import { SIGKILL } from "../linux/signal_numbers.ts";
import { exists } from "../linux/stat.ts";
import { appCgroupName, machineCgroupName, podCgroupName } from "../plan/cgroup/names.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { loadCgroupPaths } from "./paths_file.ts";

/** Killed processes take time to end: how often to look again, and after how long. */
const PATIENCE = { attempts: 100, milliseconds: 20 };

/** How often to look whether processes are frozen, and after how long. */
const FREEZING = { attempts: 50, milliseconds: 2 };

/** How often to look for processes that were started while others were killed. */
const ROUNDS = 100;

/** How many processes are held at once: a process can have about a thousand descriptors. */
const BATCH = 256;

/**
 * Removes the pod's cgroups, and kills the processes that are still in them. Having none is no
 * error.
 *
 * @param uuid The pod's UUID.
 * @throws {Error} when a process in a cgroup does not end.
 */
export function removePodCgroups(uuid: string, debug: Debug): void {
  removeCgroups([machineCgroupName(uuid), podCgroupName(uuid)], debug);
}

/**
 * Lists the cgroups of the pod that are left, if they are there, because no mount shows them: one
 * line each.
 *
 * @param uuid The pod's UUID.
 * @throws {Error} when the record of the pod's cgroups cannot be read.
 */
export function describeHiddenCgroups(uuid: string): string[] {
  const { hidden } = loadCgroupPaths([machineCgroupName(uuid), podCgroupName(uuid)]);
  return hidden.map((path) => `cgroup ${path}: left, if it is there: no mount shows it here`);
}

/**
 * Removes the pod's cgroups that have one of these names, and kills the processes in them.
 *
 * @throws {Error} when a process in a cgroup does not end.
 */
export function removeCgroups(names: readonly string[], debug: Debug): void {
  removeDirectories(loadCgroupPaths(names).visible, debug);
}

/**
 * Removes the cgroups of one app, and kills the processes in them. Having none is no error.
 *
 * @param uuid The pod's UUID.
 * @throws {Error} when a process in a cgroup does not end.
 */
export function removeAppCgroups(uuid: string, app: string, debug: Debug): void {
  const { visible } = loadCgroupPaths([machineCgroupName(uuid)]);
  const ofApp = visible.map((path) => `${path}/${appCgroupName(app)}`);
  removeDirectories(ofApp.filter(exists), debug);
}

function removeDirectories(directories: readonly string[], debug: Debug): void {
  // In all hierarchies at once, because not every one can freeze processes.
  killIn(directories, debug);
  for (const directory of directories) {
    debug(`remove cgroup ${directory}`);
    withContext(directory, () => removeWithProcesses(directory, debug));
  }
}

function removeWithProcesses(directory: string, debug: Debug): void {
  for (let attempt = 0; attempt < PATIENCE.attempts; attempt++) {
    if (removeCgroup(directory)) return;
    killCgroup(directory, debug);
    waitMilliseconds(PATIENCE.milliseconds);
  }
  throw new Error(`still has processes: ${listCgroupProcesses(directory).join(", ")}`);
}

/**
 * Kills the processes in the pod's cgroups that its apps are in.
 *
 * @param uuid The pod's UUID.
 * @returns Whether there was any process.
 * @throws {SyscallError} when the kernel refuses to show or kill them.
 */
export function killInPodCgroups(uuid: string, debug: Debug): boolean {
  const ofPod = loadCgroupPaths([machineCgroupName(uuid)]);
  // In a pod with a cgroup of that name, the other cgroup is for `run`, which has to outlive the
  // apps.
  const isSupervised = ofPod.visible.length + ofPod.hidden.length > 0;
  const ofApps = isSupervised ? ofPod : loadCgroupPaths([podCgroupName(uuid)]);
  return killIn(ofApps.visible, debug);
}

/**
 * Kills the processes in a cgroup and in those below it.
 *
 * @throws {SyscallError} when the kernel refuses to show or kill them.
 */
export function killCgroup(directory: string, debug: Debug): void {
  killIn([directory], debug);
}

/** @returns Whether there was any process to kill. */
function killIn(directories: readonly string[], debug: Debug): boolean {
  const inhabited = directories.filter((directory) => listCgroupProcesses(directory).length > 0);
  for (const directory of inhabited) debug(`kill all in ${directory}`);
  const rest = inhabited.filter((directory) => !cgroupKill(directory));
  // A frozen process starts no others meanwhile.
  rest.forEach(freeze);
  for (let i = 0; i < FREEZING.attempts && rest.some(isFreezing); i++) {
    waitMilliseconds(FREEZING.milliseconds);
  }
  for (const directory of rest) killOneByOne(directory, debug);
  rest.forEach(thaw);
  return inhabited.length > 0;
}

/**
 * Where nothing can freeze, new processes may be started faster than old ones are killed. So the
 * number of rounds is limited.
 */
function killOneByOne(directory: string, debug: Debug): void {
  const killed = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const more = listCgroupProcesses(directory)
      .map((pid) => ({ pid, name: `${pid} ${startOf(pid)}` }))
      .filter(({ name }) => !killed.has(name));
    if (more.length === 0) return;
    for (let at = 0; at < more.length; at += BATCH) {
      killThose(more.slice(at, at + BATCH).map(({ pid }) => pid), directory, debug);
    }
    more.forEach(({ name }) => killed.add(name));
  }
}

/**
 * Each process is first held and then looked for again, so that a process that got the id of an
 * ended one is left alone.
 */
function killThose(pids: readonly number[], directory: string, debug: Debug): void {
  using held = new DisposableStack();
  const processes = pids.map((pid) => [pid, openProcess(pid)] as const);
  for (const [, process] of processes) if (process) held.use(process);
  const present = new Set(listCgroupProcesses(directory));
  for (const [pid, process] of processes) {
    if (process === undefined || !present.has(pid)) continue;
    debug(`kill ${pid}`);
    signalProcess(process, SIGKILL);
  }
}
