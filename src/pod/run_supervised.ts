/**
 * `run` for a pod that it stays with: one with namespaces of its own, and in the host's namespaces one of several
 * apps, or of one that has event handlers. It builds the pod, starts its apps, and stays for as long as it lives.
 *
 * @module
 */

import { removeCgroups } from "../cgroup/remove.ts";
import { clearInherited } from "../linux/capabilities.ts";
import type { Fd } from "../linux/fd.ts";
import { ownProcessGroup } from "../linux/process.ts";
import { replaceFileAt } from "../linux/read_write.ts";
import { machineCgroupName } from "../plan/cgroup/names.ts";
import { environmentEntries } from "../plan/environment.ts";
import { parsePrivateUsers } from "../plan/id_range.ts";
import { selfConfineUntilExec } from "../process/self_confine.ts";
import { prepareHost } from "../rootfs/app_root.ts";
import { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { saveEnvironment } from "../stage1/environment_file.ts";
import type { Flavor } from "../stage1/flavor.ts";
import { type Debug, warn } from "../stage1/log.ts";
import type { Pod } from "../stage1/pod.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { saveRuntimeConfig } from "../stage1/runtime_config.ts";
import { type CreatedPod, createPod, supervisorHooks } from "./create_pod.ts";
import { leavePodNetwork } from "./leave_network.ts";
import { hostNetwork, makePodNetwork } from "./network.ts";
import { type Ground, planSupervised } from "./supervised_plan.ts";
import { supervise } from "./supervisor.ts";
import { makePodUsers } from "./user_namespace.ts";

/** Where a pod is run. */
export interface Place {
  flavor: Flavor;
  /** The pod directory, locked. */
  lock: Fd;
  debug: Debug;
}

/**
 * Runs the pod to its end.
 *
 * @returns The pod's exit status.
 * @throws {Error} when anything stands in the way; nothing of the pod is left then.
 */
export function runSupervised(pod: Pod, args: RunArguments, place: Place): number {
  if (pod.apps.length === 0) {
    throw new Error("apps: the pod has none, and this image adds none later");
  }
  clearInherited();
  const ground = prepareGround(pod, args, place);
  try {
    return runOn(ground, pod, args, place);
  } catch (error) {
    undo(args.uuid, place.debug);
    throw error;
  }
}

/** A `run` that is fenced can undo little. The rest is left to `gc`: why all this came to be matters more. */
function undo(uuid: string, debug: Debug): void {
  try {
    leavePodNetwork("run", uuid, debug);
    removeCgroups([machineCgroupName(uuid)], debug);
  } catch (error) {
    warn("run", `left to gc: ${describeError(error)}`);
  }
}

/** The network is made by programs of the host, and what they find out is part of what the apps get. */
function prepareGround(pod: Pod, args: RunArguments, { flavor, debug }: Place): Ground {
  const ids = flavor === "isolated" ? parsePrivateUsers(args.privateUsers) : undefined;
  const users = ids && makePodUsers(ids, debug);
  selfConfineUntilExec("supervisor", debug);
  const network = flavor === "isolated"
    ? makePodNetwork(pod, args, users, debug)
    : hostNetwork(pod, args);
  return { network, users };
}

function runOn(ground: Ground, pod: Pod, args: RunArguments, place: Place): number {
  using ready = makeReady(ground, pod, args, place);
  return supervise(supervisorHooks(ready));
}

/** What volumes are is held open until then: longer, and the host could not unmount it. */
function makeReady(
  ground: Ground,
  pod: Pod,
  args: RunArguments,
  { flavor, lock, debug }: Place,
): CreatedPod {
  using sources = new VolumeSources();
  const plan = planSupervised(pod, args, flavor, ground, sources);
  for (const line of new Set(plan.notes)) warn("run", line);
  saveRuntimeConfig(args);
  replaceFileAt(lock, POD_PATHS.processGroup, `${ownProcessGroup()}\n`);
  for (const app of plan.apps) {
    saveEnvironment(app.name, environmentEntries(app.environment));
    prepareHost(app, sources, debug);
  }
  return createPod(plan, { uuid: args.uuid, lock, sources, debug });
}
