/**
 * Waiting for children that have ended, and that others may trace: ptrace(2).
 *
 * A process that has ended belongs to its tracer first. Until that has waited for it, or ends
 * itself, its parent waits in vain.
 *
 * @module
 */

import { monotonicMilliseconds, waitMilliseconds } from "./clock.ts";
import { failedWith } from "./errno.ts";
import { openProcess, signalProcess } from "./pidfd.ts";
import { readKernelFile } from "./read_write.ts";
import { SIGKILL } from "./signal_numbers.ts";
import { changeOf, type End } from "./wait.ts";

/** How many milliseconds a tracer has to let go of a child, and how often to look. */
const PATIENCE = { milliseconds: 1000, interval: 10 };

/**
 * Waits for a child that has ended. A tracer that does not let go of it is killed.
 *
 * @throws {SyscallError} `ECHILD` when it is no child of this process.
 */
export function reapEnded(pid: number): End {
  const deadline = monotonicMilliseconds() + PATIENCE.milliseconds;
  for (;;) {
    const change = changeOf(pid);
    if (change !== undefined && change !== "stopped") return change;
    if (monotonicMilliseconds() > deadline) killTracerOf(pid);
    waitMilliseconds(PATIENCE.interval);
  }
}

/**
 * Kills who traces a process, unless that is this process.
 *
 * @throws {SyscallError} `EPERM` when this process may not signal it.
 */
export function killTracerOf(pid: number): void {
  const thread = numberIn(pid, "TracerPid");
  const tracer = thread && numberIn(thread, "Tgid");
  if (!tracer || tracer === Deno.pid) return;
  using process = openProcess(tracer);
  // As long as it traces the child, its number is no other process's.
  const isHeld = numberIn(pid, "TracerPid") === thread && numberIn(thread, "Tgid") === tracer;
  if (process && isHeld) signalProcess(process, SIGKILL);
}

/** Reads a number from a process's `status`: proc_pid_status(5). */
function numberIn(pid: number, field: string): number | undefined {
  try {
    const status = readKernelFile(`/proc/${pid}/status`);
    return Number(new RegExp(`^${field}:\\t(\\d+)$`, "m").exec(status)?.[1]);
  } catch (error) {
    if (failedWith(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}
