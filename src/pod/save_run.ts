/**
 * What `run` leaves in the pod directory before it builds anything: its parameters, its process
 * group, and each app's environment for `enter`.
 *
 * @module
 */

import { ownProcessGroup } from "../linux/process.ts";
import { replaceFileAt } from "../linux/read_write.ts";
import type { AppPlan } from "../plan/app.ts";
import { environmentEntries } from "../plan/environment.ts";
import { saveEnvironment } from "../stage1/environment_file.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { saveRuntimeConfig } from "../stage1/runtime_config.ts";
import type { PodContext } from "./context.ts";

/**
 * Writes the files.
 *
 * @throws {Error} when one cannot be written.
 */
export function saveRun(apps: readonly AppPlan[], { args, lock }: PodContext): void {
  saveRuntimeConfig(args);
  replaceFileAt(lock, POD_PATHS.processGroup, `${ownProcessGroup()}\n`);
  for (const { name, environment } of apps) saveEnvironment(name, environmentEntries(environment));
}
