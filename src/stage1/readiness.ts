/**
 * The mark of a pod that is ready. `rkt status --wait-ready` waits for it.
 *
 * @module
 */

import { makeLinkAt, unlessThere } from "../linux/directory.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openAt } from "../linux/open.ts";
import { placeFileAt, preparedName } from "../linux/read_write.ts";
import { writingFile } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** The text of the link: rkt's Documentation/devel/stage1-implementors-guide.md. */
const READY = "ready";

const NAME_AT = POD_PATHS.readiness.lastIndexOf("/") + 1;
const DIRECTORY = POD_PATHS.readiness.slice(0, NAME_AT);
const NAME = POD_PATHS.readiness.slice(NAME_AT);

/**
 * Opens the directory of the mark.
 *
 * @param podDirectory The pod directory, also for a process that has another root by now.
 * @throws {SyscallError} when it cannot be opened.
 */
export function openReadiness(podDirectory: Fd): Fd {
  return openAt(podDirectory, DIRECTORY, O_PATH | O_DIRECTORY);
}

/**
 * Makes the mark, which {@linkcode markReady} puts in its place: a disk that is full by then has
 * room for it.
 *
 * @param directory What {@linkcode openReadiness} opened.
 * @throws {Error} when the link cannot be made.
 */
export function prepareReadiness(directory: Fd): void {
  // It is there where a `run` before this one has failed to start an app.
  const make = () => makeLinkAt(directory, READY, preparedName(NAME));
  writingFile(POD_PATHS.readiness, () => unlessThere(make));
}

/**
 * Marks the pod as ready, for good: that it has ended is seen by its lock. Called once.
 *
 * @param directory What {@linkcode openReadiness} opened.
 * @throws {Error} when the prepared link cannot be put in its place.
 */
export function markReady(directory: Fd): void {
  writingFile(POD_PATHS.readiness, () => placeFileAt(directory, NAME));
}
