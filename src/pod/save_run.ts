/**
 * What `run` leaves in the pod directory before it builds anything: its parameters and its process
 * group.
 *
 * @module
 */

import { ownProcessGroup } from "../linux/process.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { savePodFile } from "../stage1/pod_file.ts";
import { formatRuntimeConfig } from "../stage1/runtime_config.ts";
import type { PodContext } from "./context.ts";

/**
 * Writes the files.
 *
 * @throws {Error} when one cannot be written.
 */
export function saveRun({ args }: PodContext): void {
  savePodFile(POD_PATHS.runtimeConfig, formatRuntimeConfig(args));
  savePodFile(POD_PATHS.processGroup, `${ownProcessGroup()}\n`);
}
