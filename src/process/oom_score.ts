/**
 * The OOM score adjustment of a process: how ready the kernel is to kill it when memory runs out.
 * What a process starts or executes inherits it.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import { readSetting, writeSetting } from "../linux/kernel_file.ts";
import type { OomScorePlan } from "../plan/cgroup/resources.ts";
import type { Debug } from "../stage1/log.ts";

const OOM_SCORE_ADJ = "/proc/self/oom_score_adj";

/**
 * Adjusts this process's score, and so that of what it executes.
 *
 * @returns A line for what could not be done: without `CAP_SYS_RESOURCE`, the score can only rise.
 * @throws {SyscallError} when the kernel refuses for another reason.
 */
export function adjustOomScore(plan: OomScorePlan | undefined, debug: Debug): string[] {
  if (plan === undefined) return [];
  const { value, isolator } = plan;
  debug(`oom_score_adj = ${value}`);
  try {
    writeSetting(OOM_SCORE_ADJ, `${value}`);
    return [];
  } catch (error) {
    if (!failedWith(error, "EACCES")) throw error;
    return [`${isolator}: not applied: to lower it to ${value}, rkt needs CAP_SYS_RESOURCE`];
  }
}

/**
 * Starts a process that has the plan's score. This process has it meanwhile, for the new one to
 * inherit, and then its own again.
 *
 * @returns The result of `start`, and a line for what could not be done.
 * @throws {SyscallError} when the kernel does not let the score be read or set.
 */
export function withOomScore<T>(
  plan: OomScorePlan | undefined,
  debug: Debug,
  start: () => T,
): { result: T; notes: string[] } {
  if (plan === undefined) return { result: start(), notes: [] };
  const before = readSetting(OOM_SCORE_ADJ);
  const notes = adjustOomScore(plan, debug);
  try {
    return { result: start(), notes };
  } finally {
    if (before !== undefined) writeSetting(OOM_SCORE_ADJ, before);
  }
}

/**
 * Checks whether a process that this one starts may have the plan's score.
 *
 * @returns A line for what cannot be done.
 * @throws {SyscallError} when the kernel does not let the score be read or set.
 */
export function tryOomScore(plan: OomScorePlan | undefined, debug: Debug): string[] {
  return withOomScore(plan, debug, () => {}).notes;
}
