/**
 * The security labels of what a process executes: its AppArmor profile, its SELinux context.
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { startProcess } from "../linux/init.ts";
import { recordSetting } from "../linux/kernel_file.ts";
import { quoteText } from "../linux/text.ts";
import { waitFor } from "../linux/wait.ts";
import type { LabelPlan, LabelStep } from "../plan/process/security_label.ts";
import { withContext } from "../stage1/context.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

/**
 * Records the request for the labels of what a process executes next.
 *
 * @param proc The host's /proc: what an app's root has there may be anything.
 */
export function recordLabels({ labels }: LabelPlan, proc: Fd, script: CallScript): void {
  for (const { path, text } of labels) recordSetting(proc, path, text, script);
}

/**
 * Checks whether the kernel accepts the labels, by a process that requests them and ends.
 *
 * @throws {Error} which names the isolator, when the host has no such profile or context, or does
 * not allow it.
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
 * @throws {Error} which names the isolator, when one of these calls failed.
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

/** The kernel answers ENOENT to a profile that is not loaded, EINVAL to a context of no policy. */
function explain(error: unknown, { label }: LabelStep): unknown {
  if (!failedWith(error, "ENOENT", "EINVAL")) return error;
  return new Error(`${label} is not available: this host does not know it`);
}

/** The failed call that caused an error, if one did. */
function failedCall(error: unknown): SyscallError | undefined {
  if (error instanceof SyscallError) return error;
  return error instanceof Error && error.cause ? failedCall(error.cause) : undefined;
}

/** The message of a failed call holds the call's arguments. */
function concerns({ path, text }: LabelStep, { message }: SyscallError): boolean {
  return [path, text].some((it) => message.includes(quoteText(it)));
}
