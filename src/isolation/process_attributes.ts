/**
 * What the kernel keeps of each process beside its credentials, and the app's program inherits: its
 * standing when memory runs out, and the security label of what it executes.
 *
 * @module
 */

import type { ResourcePlan } from "../app/resources.ts";
import type { LabelPlan, LabelStep } from "../app/security_label.ts";
import type { CallScript } from "../linux/call_script.ts";
import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/file.ts";
import { readSetting, recordSetting, writeSetting } from "../linux/kernel_file.ts";
import { naming } from "../stage1/naming.ts";
import type { Trace } from "./trace.ts";

const OOM_SCORE_ADJ = "/proc/self/oom_score_adj";

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
    writeSetting(OOM_SCORE_ADJ, `${value}`);
    return [];
  } catch (error) {
    if (!failedWith(error, "EACCES")) throw error;
    return [`${isolator}: not applied: to lower it to ${value}, rkt needs CAP_SYS_RESOURCE`];
  }
}

/**
 * Starts a process that the kernel is as ready to kill as the plan says, and so is what it executes. This
 * process has that standing meanwhile: who is started inherits it.
 *
 * @returns What was done, and what could not be, and why.
 * @throws {SyscallError}
 */
export function withOomScore<T>(
  plan: ResourcePlan,
  trace: Trace,
  start: () => T,
): { result: T; notes: string[] } {
  if (plan.oomScoreAdj === undefined) return { result: start(), notes: [] };
  const before = readSetting(OOM_SCORE_ADJ);
  const notes = adjustOomScore(plan, trace);
  try {
    return { result: start(), notes };
  } finally {
    if (before !== undefined) writeSetting(OOM_SCORE_ADJ, before);
  }
}

/**
 * Records the request for the labels of whatever a process executes next. Its /proc still has to be the host's.
 *
 * @param spare A descriptor that the process has, and needs no more.
 */
export function recordLabels({ labels }: LabelPlan, spare: Fd, script: CallScript): void {
  for (const { path, text } of labels) recordSetting(path, text, spare, script);
}

/**
 * Starts a process whose calls include those of {@linkcode recordLabels}.
 *
 * @throws {Error} which names the isolator, when one of these failed.
 */
export function namingLabels<T>({ labels }: LabelPlan, start: () => T): T {
  try {
    return start();
  } catch (error) {
    const failed = failedCall(error);
    const step = failed && labels.find((it) => concerns(it, failed));
    if (!failed || !step) throw error;
    return naming(step.isolator, () => {
      throw explain(failed, step);
    });
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
  for (const step of labels) {
    trace(`security label at exec: ${step.label}`);
    naming(step.isolator, () => requestLabel(step));
  }
}

function requestLabel(step: LabelStep): void {
  try {
    writeSetting(step.path, step.text);
  } catch (error) {
    throw explain(error, step);
  }
}

/** To a profile that is not loaded the kernel answers ENOENT, to a context of no policy's EINVAL. */
function explain(error: unknown, { label }: LabelStep): unknown {
  if (!failedWith(error, "ENOENT", "EINVAL")) return error;
  return new Error(`${label} is not available: this host does not know it`);
}

/** The call that is behind an error, if one is. */
function failedCall(error: unknown): SyscallError | undefined {
  if (error instanceof SyscallError) return error;
  return error instanceof Error && error.cause ? failedCall(error.cause) : undefined;
}

/** The message of a failed call has the texts that it was about. */
function concerns({ path, text }: LabelStep, { message }: SyscallError): boolean {
  return [path, text].some((it) => message.includes(JSON.stringify(it)));
}
