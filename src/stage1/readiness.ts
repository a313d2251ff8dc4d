/**
 * The mark of a pod all of whose apps have been started. `rkt status --wait-ready` waits for it.
 *
 * @module
 */

import { makeLinkAt } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** The text of the link: rkt's Documentation/devel/stage1-implementors-guide.md. */
const READY = "ready";

/**
 * Marks the pod as ready, for good: that it has ended is seen by its lock. Called once.
 *
 * @param podDirectory The pod directory, also for a process that has another root by now.
 * @throws {SyscallError} when the link cannot be made.
 */
export function markReady(podDirectory: Fd): void {
  try {
    makeLinkAt(podDirectory, READY, POD_PATHS.readiness);
  } catch (error) {
    // A `run` before this one became ready, and then failed to execute its app.
    if (!failedWith(error, "EEXIST")) throw error;
  }
}
