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
 * Removes what is left of the pod. It may be called twice, and after a `run` that was killed.
 *
 * @throws {SyscallError} when the kernel refuses a step.
 */
export function collectPod({ uuid, onlyNetworks, ...args }: GcArguments): void {
  // The keeper, which has become this process, has the turn for it.
  if (onlyNetworks) return leavePodNetwork("run", uuid, debugLog("run", args.debug));
  const debug = debugLog("gc", args.debug);
  const roots = listAppRoots();
  const hasNetworks = exists(POD_PATHS.netns);
  using apps = openAppMatcher(roots, loadProcesses());
  // The plugins of networks would be confined as well.
  if (!hasNetworks) selfConfine("gc", debug);
  // Processes first: they could make what is removed anew.
  killInPodCgroups(uuid, debug);
  killAppProcesses(apps, debug);
  removePodCgroups(uuid, debug);
  for (const line of describeHiddenCgroups(uuid)) warn("gc", line);
  if (hasNetworks) {
    leaveAfterKeeper(uuid, debug);
    selfConfine("gc", debug);
  } else {
    // A `run` takes ports before it begins with networks, and may be killed in between.
    giveBackHostPorts(uuid);
  }
  detachMountsExcept([POD_PATHS.stage1Rootfs, ...roots], debug);
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
function detachMountsExcept(kept: readonly string[], debug: Debug): void {
  const directory = workingDirectory();
  const ofStage0 = kept.map((path) => `${directory}/${path}`);
  const below = readMounts()
    .map(({ mountPoint }) => mountPoint)
    .filter((path) => isWithin(path, directory) && path !== directory && !ofStage0.includes(path));
  // Unmounting a mount that is shared with the host would unmount the host's as well.
  for (const mountPoint of below) setPropagation(mountPoint, "private", true);
  for (const mountPoint of below.toReversed()) {
    debug(`unmount ${mountPoint}`);
    detachMount(mountPoint);
  }
}
