/**
 * The end of a pod's cgroups, and of what is in them.
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
import { machineCgroupName, podCgroupName } from "../plan/cgroup/names.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { loadCgroupPaths } from "./paths_file.ts";

/** Processes that are killed end on their own time: how often, and after how long, to look again. */
const PATIENCE = { attempts: 100, milliseconds: 20 };

/** The same for processes that freeze, but not at once. */
const FREEZING = { attempts: 50, milliseconds: 2 };

/** How often to look for processes that were made while others were killed. */
const ROUNDS = 100;

/** How many are held at a time: a process can have about a thousand descriptors. */
const BATCH = 256;

/**
 * Removes the pod's cgroups, and ends what is still in them. There being none is fine.
 *
 * @param uuid The pod's.
 * @throws {Error} when a process in there does not end.
 */
export function removePodCgroups(uuid: string, debug: Debug): void {
  removeCgroups([machineCgroupName(uuid), podCgroupName(uuid)], debug);
}

/**
 * Removes those of the pod's cgroups that have one of these names, and ends what is in them.
 *
 * @throws {Error} when a process in there does not end.
 */
export function removeCgroups(names: readonly string[], debug: Debug): void {
  const directories = loadCgroupPaths(names);
  // All at once, as not every hierarchy can halt them.
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
 * Ends what is in those of the pod's cgroups that its apps are in.
 *
 * @param uuid The pod's.
 * @returns Whether there was anything.
 * @throws {SyscallError}
 */
export function killInPodCgroups(uuid: string, debug: Debug): boolean {
  const ofPod = loadCgroupPaths([machineCgroupName(uuid)]);
  // Where the pod has a cgroup by that name, the other one is that of `run`, which has to see to the end.
  const ofApps = ofPod.length > 0 ? ofPod : loadCgroupPaths([podCgroupName(uuid)]);
  return killIn(ofApps, debug);
}

/**
 * Ends the processes in a cgroup and in those below it.
 *
 * @throws {SyscallError}
 */
export function killCgroup(directory: string, debug: Debug): void {
  killIn([directory], debug);
}

/** @returns Whether there was anything to end. */
function killIn(directories: readonly string[], debug: Debug): boolean {
  const inhabited = directories.filter((directory) => listCgroupProcesses(directory).length > 0);
  for (const directory of inhabited) debug(`kill all in ${directory}`);
  const rest = inhabited.filter((directory) => !cgroupKill(directory));
  // Who is halted makes no more of them meanwhile.
  rest.forEach(freeze);
  for (let i = 0; i < FREEZING.attempts && rest.some(isFreezing); i++) {
    waitMilliseconds(FREEZING.milliseconds);
  }
  for (const directory of rest) killOneByOne(directory, debug);
  rest.forEach(thaw);
  return inhabited.length > 0;
}

/** Where nothing can be halted, they may be made faster than they are killed: it comes to an end all the same. */
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

/** Held first and looked for again then, so that a number which changed hands meanwhile is left alone. */
function killThose(pids: readonly number[], directory: string, debug: Debug): void {
  using held = new DisposableStack();
  const processes = pids.map((pid) => [pid, openProcess(pid)] as const);
  for (const [, process] of processes) if (process) held.use(process);
  const members = new Set(listCgroupProcesses(directory));
  for (const [pid, process] of processes) {
    if (process === undefined || !members.has(pid)) continue;
    debug(`kill ${pid}`);
    signalProcess(process, SIGKILL);
  }
}
