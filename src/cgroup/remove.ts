/**
 * The end of a pod's cgroups, and of what is in them.
 *
 * @module
 */

import { halt, isHalting, killAtOnce, listMembers, removeCgroup, resume } from "../linux/cgroup.ts";
import { waitMilliseconds } from "../linux/clock.ts";
import { openProcess, SIGKILL, signalProcess, startOf } from "../linux/process.ts";
import { machineCgroupName, podCgroupName } from "../plan/cgroup/names.ts";
import { naming } from "../stage1/context.ts";
import type { Trace } from "../stage1/debug.ts";
import { recordedCgroups } from "./paths_file.ts";

/** Processes that are killed end on their own time: how often, and after how long, to look again. */
const PATIENCE = { attempts: 100, milliseconds: 20 };

/** The same for processes that halt, but not at once. */
const HALTING = { attempts: 50, milliseconds: 2 };

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
export function removePodCgroups(uuid: string, trace: Trace): void {
  removeCgroups([machineCgroupName(uuid), podCgroupName(uuid)], trace);
}

/**
 * Removes those of the pod's cgroups that have one of these names, and ends what is in them.
 *
 * @throws {Error} when a process in there does not end.
 */
export function removeCgroups(names: readonly string[], trace: Trace): void {
  const directories = recordedCgroups(names);
  // All at once, as not every hierarchy can halt them.
  killIn(directories, trace);
  for (const directory of directories) {
    trace(`remove cgroup ${directory}`);
    naming(directory, () => removeWithMembers(directory, trace));
  }
}

function removeWithMembers(directory: string, trace: Trace): void {
  for (let attempt = 0; attempt < PATIENCE.attempts; attempt++) {
    if (removeCgroup(directory)) return;
    killMembers(directory, trace);
    waitMilliseconds(PATIENCE.milliseconds);
  }
  throw new Error(`still has processes: ${listMembers(directory).join(", ")}`);
}

/**
 * Ends what is in those of the pod's cgroups that its apps are in.
 *
 * @param uuid The pod's.
 * @returns Whether there was anything.
 * @throws {SyscallError}
 */
export function killInPodCgroups(uuid: string, trace: Trace): boolean {
  const ofPod = recordedCgroups([machineCgroupName(uuid)]);
  // Where the pod has a cgroup by that name, the other one is that of `run`, which has to see to the end.
  const ofApps = ofPod.length > 0 ? ofPod : recordedCgroups([podCgroupName(uuid)]);
  return killIn(ofApps, trace);
}

/**
 * Ends the processes in a cgroup and in those below it.
 *
 * @throws {SyscallError}
 */
export function killMembers(directory: string, trace: Trace): void {
  killIn([directory], trace);
}

/** @returns Whether there was anything to end. */
function killIn(directories: readonly string[], trace: Trace): boolean {
  const inhabited = directories.filter((directory) => listMembers(directory).length > 0);
  for (const directory of inhabited) trace(`kill all in ${directory}`);
  const rest = inhabited.filter((directory) => !killAtOnce(directory));
  // Who is halted makes no more of them meanwhile.
  rest.forEach(halt);
  for (let i = 0; i < HALTING.attempts && rest.some(isHalting); i++) {
    waitMilliseconds(HALTING.milliseconds);
  }
  for (const directory of rest) killOneByOne(directory, trace);
  rest.forEach(resume);
  return inhabited.length > 0;
}

/** Where nothing can be halted, they may be made faster than they are killed: it comes to an end all the same. */
function killOneByOne(directory: string, trace: Trace): void {
  const killed = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const more = listMembers(directory)
      .map((pid) => ({ pid, name: `${pid} ${startOf(pid)}` }))
      .filter(({ name }) => !killed.has(name));
    if (more.length === 0) return;
    for (let at = 0; at < more.length; at += BATCH) {
      killThose(more.slice(at, at + BATCH).map(({ pid }) => pid), directory, trace);
    }
    more.forEach(({ name }) => killed.add(name));
  }
}

/** Held first and looked for again then, so that a number which changed hands meanwhile is left alone. */
function killThose(pids: readonly number[], directory: string, trace: Trace): void {
  using held = new DisposableStack();
  const processes = pids.map((pid) => [pid, openProcess(pid)] as const);
  for (const [, process] of processes) if (process) held.use(process);
  const members = new Set(listMembers(directory));
  for (const [pid, process] of processes) {
    if (process === undefined || !members.has(pid)) continue;
    trace(`kill ${pid}`);
    signalProcess(process, SIGKILL);
  }
}
