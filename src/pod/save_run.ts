/**
 * What `run` leaves in the pod directory before it builds anything: its parameters, what
 * its network is like, and its process group.
 *
 * @module
 */

import { ownProcessGroup } from "../linux/process.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { savePodFile } from "../stage1/pod_file.ts";
import { formatRuntimeConfig, type RecordedRun } from "../stage1/runtime_config.ts";

/**
 * Writes the files.
 *
 * @throws {Error} when one cannot be written.
 */
export function saveRun(run: RecordedRun): void {
  savePodFile(POD_PATHS.runtimeConfig, formatRuntimeConfig(run));
  savePodFile(POD_PATHS.processGroup, `${ownProcessGroup()}\n`);
}
