/**
 * What the kernel keeps of each process beside its credentials, and the app's program inherits: its
 * standing when memory runs out, and the security label of what it executes.
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { startProcess } from "../linux/init.ts";
import { readSetting, recordSetting, writeSetting } from "../linux/kernel_file.ts";
import { waitFor } from "../linux/process.ts";
import type { OomScorePlan } from "../plan/cgroup/resources.ts";
import type { LabelPlan, LabelStep } from "../plan/process/security_label.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

const OOM_SCORE_ADJ = "/proc/self/oom_score_adj";

/**
 * Says how ready the kernel should be to kill this process, and what it executes, for memory.
 *
 * @returns What could not be done, and why: a caller without `CAP_SYS_RESOURCE` can only offer itself more.
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
 * Starts a process that the kernel is as ready to kill as the plan says, and so is what it executes. This
 * process has that standing meanwhile: who is started inherits it.
 *
 * @returns What was done, and what could not be, and why.
 * @throws {SyscallError}
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
 * Records the request for the labels of whatever a process executes next.
 *
 * @param proc The host's /proc: one in the app's root may be anything.
 */
export function recordLabels({ labels }: LabelPlan, proc: Fd, script: CallScript): void {
  for (const { path, text } of labels) recordSetting(proc, path, text, script);
}

/**
 * Finds out whether the kernel takes the labels, by a process that asks for them and ends.
 *
 * @throws {Error} which names the isolator: the host has no such profile or context, or does not allow it.
 */
export function tryLabels(plan: LabelPlan, proc: Fd): void {
  if (plan.labels.length === 0) return;
  const record = (script: CallScript) => recordLabels(plan, proc, script);
  withLabelContext(
    plan,
    () => waitFor(startProcess({ init: POD_PATHS.init, fds: [proc], record })),
  );
}

/**
 * Starts a process whose calls include those of {@linkcode recordLabels}.
 *
 * @throws {Error} which names the isolator, when one of these failed.
 */
export function withLabelContext<T>({ labels }: LabelPlan, start: () => T): T {
  try {
    return start();
  } catch (error) {
    const failed = failedCall(error);
    const step = failed && labels.find((it) => concerns(it, failed));
    if (!failed || !step) throw error;
    return withContext(step.isolator, () => {
      throw explain(failed, step);
    });
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
