/**
 * The end of a pod's cgroups, and of what is in them.
 *
 * @module
 */

import { halt, killAtOnce, listMembers, removeCgroup } from "../linux/cgroup.ts";
import { waitMilliseconds } from "../linux/clock.ts";
import { openProcess, SIGKILL, signalProcess } from "../linux/process.ts";
import { naming } from "../stage1/naming.ts";
import { machineCgroupName, podCgroupName } from "./cgroup_names.ts";
import { recordedCgroups } from "./cgroup_record.ts";
import type { Trace } from "./trace.ts";

/** Processes that are killed end on their own time: how often, and after how long, to look again. */
const PATIENCE = { attempts: 100, milliseconds: 20 };

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
  for (const directory of recordedCgroups(names)) {
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
 * Ends the processes in a cgroup and in those below it.
 *
 * @throws {SyscallError}
 */
export function killMembers(directory: string, trace: Trace): void {
  trace(`kill all in ${directory}`);
  if (killAtOnce(directory)) return;
  // Who is halted makes no more of them meanwhile.
  halt(directory, true);
  const known = new Set<number>();
  for (;;) {
    const more = listMembers(directory).filter((pid) => !known.has(pid));
    if (more.length === 0) break;
    for (const pid of more) {
      known.add(pid);
      killMember(pid, directory, trace);
    }
  }
  halt(directory, false);
}

/** Held first and looked for again then, so that a number which changed hands meanwhile is left alone. */
function killMember(pid: number, directory: string, trace: Trace): void {
  using process = openProcess(pid);
  if (process === undefined || !listMembers(directory).includes(pid)) return;
  trace(`kill ${pid}`);
  signalProcess(process, SIGKILL);
}
