/**
 * What the kernel keeps of each process beside its credentials, and the app's program inherits: its
 * standing when memory runs out, and the security label of what it executes.
 *
 * @module
 */

import type { ResourcePlan } from "../app/resources.ts";
import type { LabelPlan } from "../app/security_label.ts";
import { failedWith } from "../linux/errno.ts";
import { writeSetting } from "../linux/kernel_file.ts";
import { naming } from "../stage1/naming.ts";
import type { Trace } from "./trace.ts";

/**
 * Says how ready the kernel should be to kill this process, and what it executes, for memory.
 *
 * @returns What could not be done, and why: a caller without `CAP_SYS_RESOURCE` can only offer itself more.
 * @throws {SyscallError} when the kernel refuses for another reason.
 */
export function adjustOomScore({ oomScoreAdj }: ResourcePlan, trace: Trace): string[] {
  if (oomScoreAdj === undefined) return [];
  const { value, isolator } = oomScoreAdj;
  trace(`oom_score_adj = ${value}`);
  try {
    writeSetting("/proc/self/oom_score_adj", `${value}`);
    return [];
  } catch (error) {
    if (!failedWith(error, "EACCES")) throw error;
    return [`${isolator}: not applied: to lower it to ${value}, rkt needs CAP_SYS_RESOURCE`];
  }
}

/**
 * Asks for the labels of whatever this thread executes next.
 *
 * To be called while /proc is the host's, as one in the app's root may be anything.
 *
 * @throws {Error} which names the isolator: the host has no such profile or context, or does not allow it.
 */
export function requestLabels({ labels }: LabelPlan, trace: Trace): void {
  for (const { path, text, isolator } of labels) {
    trace(`security label at exec: ${text}`);
    naming(isolator, () => writeSetting(path, text));
  }
}
