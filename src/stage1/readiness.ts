/**
 * The mark of a pod all of whose apps have been started. `rkt status --wait-ready` waits for it.
 *
 * @module
 */

import { makeLinkAt } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { placeFileAt, preparedName } from "../linux/read_write.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** The text of the link: rkt's Documentation/devel/stage1-implementors-guide.md. */
const READY = "ready";

/**
 * Makes the mark, which {@linkcode markReady} puts in its place: a disk that is full by then has
 * room for it.
 *
 * @param podDirectory The pod directory.
 * @throws {Error} when the link cannot be made.
 */
export function prepareReadiness(podDirectory: Fd): void {
  withContext(`${POD_PATHS.readiness}: cannot be written`, () => {
    try {
      makeLinkAt(podDirectory, READY, preparedName(POD_PATHS.readiness));
    } catch (error) {
      // A `run` before this one has failed to start an app.
      if (!failedWith(error, "EEXIST")) throw error;
    }
  });
}

/**
 * Marks the pod as ready, for good: that it has ended is seen by its lock. Called once.
 *
 * @param podDirectory The pod directory, also for a process that has another root by now.
 * @throws {Error} when the prepared link cannot be put in its place.
 */
export function markReady(podDirectory: Fd): void {
  withContext(
    `${POD_PATHS.readiness}: cannot be written`,
    () => placeFileAt(podDirectory, POD_PATHS.readiness),
  );
}
