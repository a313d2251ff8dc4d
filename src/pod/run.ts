/**
 * `run`: from the pod directory to the app's program. A pod of one app in the host's namespaces
 * costs no process: `run` becomes the app (`run_single_app.ts`). With all others it stays
 * (`run_supervised.ts`).
 *
 * @module
 */

import { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { findLock, RKT_LOCK_FD } from "../stage1/lock.ts";
import { debugLog } from "../stage1/log.ts";
import { planPodDirectory } from "./plan.ts";
import { runSingleApp } from "./run_single_app.ts";
import { runSupervised } from "./run_supervised.ts";

/**
 * Runs the pod: either this process becomes its app, or it ends with the pod's exit status.
 *
 * @throws {Error} when anything stands in the way; nothing is left mounted then.
 */
export function runPod(args: RunArguments): never {
  const debug = debugLog("run", args.debug);
  const lock = findLock(Deno.env.get(RKT_LOCK_FD));
  const sources = new VolumeSources();
  const plan = planPodDirectory(args, sources);
  const context = { args, lock, sources, debug };
  if (plan.runBecomes === "app") runSingleApp(plan, context);
  Deno.exit(runSupervised(plan, context));
}
