/**
 * `gc`: removes what a pod has left behind. The pod's own mounts went with its last process. What
 * can be left are processes that outlived it, cgroups, its network, and mounts that something put
 * into the pod's directory from outside.
 *
 * @module
 */

import { describeHiddenCgroups, killInPodCgroups, removePodCgroups } from "../cgroup/remove.ts";
import type { Fd } from "../linux/fd.ts";
import { detachMount, setPropagation } from "../linux/mount.ts";
import { readMounts } from "../linux/mount_table.ts";
import { isWithin } from "../linux/mountinfo.ts";
import { workingDirectory } from "../linux/path.ts";
import { exists } from "../linux/stat.ts";
import { giveBackHostPorts } from "../network/host_ports.ts";
import { waitForKeeper } from "../network/keeper.ts";
import { openAppMatcher } from "../process/app_processes.ts";
import { killAppProcesses } from "../process/kill_apps.ts";
import { selfConfine } from "../process/self_confine.ts";
import { listAppRoots } from "../stage1/app_roots.ts";
import type { GcArguments } from "../stage1/arguments.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { type Debug, debugLog, warn } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { loadProcesses } from "../stage1/processes_file.ts";
import { leavePodNetwork } from "./leave_network.ts";

/**
 * Removes what is left of the pod. It may be called twice, and after a `run` that was killed. rkt
 * removes the pod's directory whatever comes of this, so a step that fails keeps no other from
 * being taken.
 *
 * @throws {Error} when the kernel refuses a step, or a record of the pod's cannot be read. Errors
 * besides it are told.
 */
export function collectPod({ uuid, onlyNetworks, ...args }: GcArguments): void {
  // The keeper, which has become this process, has the turn for it.
  if (onlyNetworks) return leavePodNetwork("run", uuid, debugLog("run", args.debug));
  const debug = debugLog("gc", args.debug);
  const failures: unknown[] = [];
  const attempt = attempting(failures);
  const roots = listAppRoots();
  const hasNetworks = exists(POD_PATHS.netns);
  // Without the record, an app's processes are known by its root alone.
  const recorded = attempt(loadProcesses) ?? [];
  using apps = attempt(() => openAppMatcher(roots, recorded));
  // The plugins of networks would be confined as well.
  if (!hasNetworks) selfConfine("gc", debug);
  // Processes first: they could make what is removed anew.
  attempt(() => killInPodCgroups(uuid, debug));
  if (apps) attempt(() => killAppProcesses(apps, debug));
  attempt(() => removePodCgroups(uuid, debug));
  attempt(() => describeHiddenCgroups(uuid).forEach((line) => warn("gc", line)));
  if (hasNetworks) {
    attempt(() => leaveAfterKeeper(uuid, debug));
    selfConfine("gc", debug);
  } else {
    // A `run` takes ports before it begins with networks, and may be killed in between.
    attempt(() => giveBackHostPorts(uuid));
  }
  detachMountsExcept([POD_PATHS.stage1Rootfs, ...roots], attempt, debug);
  tellFailures(failures);
}

/** Takes a step, and returns what it does: nothing if it fails. */
type Attempt = <T>(step: () => T) => T | undefined;

/** @param failures Gets the errors of steps. */
function attempting(failures: unknown[]): Attempt {
  return (step) => {
    try {
      return step();
    } catch (error) {
      failures.push(error);
      return undefined;
    }
  };
}

/** Several steps may have failed for the same reason, which is told once. */
function tellFailures(failures: readonly unknown[]): void {
  const byLine = new Map(failures.map((error) => [describeError(error), error]));
  const [last, ...others] = [...byLine].toReversed();
  for (const [line] of others.toReversed()) warn("gc", line);
  if (last) throw last[1];
}

/** Leaves to a keeper that hangs what it has begun: the pod's other remains have to go. */
function leaveAfterKeeper(uuid: string, debug: Debug): void {
  let turn: Fd;
  try {
    turn = waitForKeeper();
  } catch (error) {
    return warn("gc", describeError(error));
  }
  using _turn = turn;
  leavePodNetwork("gc", uuid, debug);
}

/**
 * Detaches the mounts in the pod directory.
 *
 * @param kept Paths whose mounts stay: they are stage0's own.
 */
function detachMountsExcept(kept: readonly string[], attempt: Attempt, debug: Debug): void {
  const directory = workingDirectory();
  const ofStage0 = kept.map((path) => `${directory}/${path}`);
  const mounts = attempt(readMounts) ?? [];
  const below = mounts
    .map(({ mountPoint }) => mountPoint)
    .filter((path) => isWithin(path, directory) && path !== directory && !ofStage0.includes(path));
  // Unmounting a mount that is shared with the host would unmount the host's as well.
  const isPrivate = (mountPoint: string) =>
    attempt(() => {
      setPropagation(mountPoint, "private", true);
      return true;
    });
  for (const mountPoint of below.filter(isPrivate).toReversed()) {
    debug(`unmount ${mountPoint}`);
    attempt(() => detachMount(mountPoint));
  }
}
