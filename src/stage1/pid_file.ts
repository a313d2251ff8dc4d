/**
 * The file that says which process `enter` and `stop` begin with. It is there from when the pod has
 * begun.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { placeFileAt, prepareFileAt } from "../linux/read_write.ts";
import { writingFile } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/**
 * Writes the file under another name, so that a disk that is full later has room for it.
 *
 * @param podDirectory The pod directory.
 * @param pid The process, as the host sees it.
 * @throws {Error} when the disk has no space.
 */
export function preparePid(podDirectory: Fd, pid: number): void {
  writingFile(POD_PATHS.pid, () => prepareFileAt(podDirectory, POD_PATHS.pid, `${pid}\n`));
}

/**
 * Gives the prepared file its name.
 *
 * @param podDirectory The pod directory, also for a process that has another root by now.
 * @throws {Error} when the directory cannot be changed.
 */
export function placePid(podDirectory: Fd): void {
  writingFile(POD_PATHS.pid, () => placeFileAt(podDirectory, POD_PATHS.pid));
}
