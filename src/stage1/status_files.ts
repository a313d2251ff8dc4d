/**
 * The files in which `run` leaves the exit statuses of its apps, for `rkt status`. To rkt, an app
 * whose file is there has ended. So the space of a file is taken beforehand by a prepared one.
 *
 * @module
 */

import { removeAt, removeFile } from "../linux/directory.ts";
import type { Fd } from "../linux/fd.ts";
import {
  placeFileAt,
  preparedName,
  prepareFileAt,
  rewritePreparedFileAt,
} from "../linux/read_write.ts";
import { writingFile } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** As long as the longest status. */
const PLACEHOLDER = textOf(255);

/**
 * Takes the space of an app's status. One that is there is removed: it is of an earlier start, or
 * of an earlier app of the name.
 *
 * @param statuses The directory of the statuses.
 * @throws {Error} when the disk has no space, or the directory cannot be changed.
 */
export function prepareStatus(statuses: Fd, app: string): void {
  writing(app, () => {
    prepareFileAt(statuses, app, PLACEHOLDER);
    removeAt(statuses, app);
  });
}

/**
 * Gives back the space of the status of an app that goes.
 *
 * @param statuses The directory of the statuses.
 * @throws {Error} when the directory cannot be changed.
 */
export function removePreparedStatus(statuses: Fd, app: string): void {
  writing(app, () => removeAt(statuses, preparedName(app)));
}

/**
 * Saves the status of an app that has ended. A full disk has room for it.
 *
 * @param statuses The directory of the statuses.
 * @throws {Error} when the file cannot be written.
 */
export function saveStatus(statuses: Fd, app: string, status: number): void {
  writing(app, () => {
    rewritePreparedFileAt(statuses, app, textOf(status));
    placeFileAt(statuses, app);
  });
}

/**
 * Removes all that is known of an app that is no longer the pod's: its status, and the marks by
 * which rkt knows that it was added and started, which rkt itself leaves.
 *
 * @throws {SyscallError} when something cannot be removed.
 */
export function removeStatus(app: string): void {
  // An app that seems to have been started, and not to have ended, seems to run.
  removeFile(`${POD_PATHS.statuses}/${app}-created`);
  removeStartedMark(app);
  removeFile(`${POD_PATHS.statuses}/${app}`);
}

/**
 * Removes the mark by which rkt knows that an app has been started, if it is there.
 *
 * @throws {SyscallError} when it cannot be removed.
 */
export function removeStartedMark(app: string): void {
  removeFile(`${POD_PATHS.statuses}/${app}-started`);
}

function textOf(status: number): string {
  return `${status}\n`;
}

function writing(app: string, write: () => void): void {
  writingFile(`${POD_PATHS.statuses}/${app}`, write);
}
