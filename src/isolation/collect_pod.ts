/**
 * `gc`: takes down what a pod has left behind. Its own mounts went with its last process; what can be
 * left are mounts that something put into an app's root from outside, and processes that outlived it.
 *
 * @module
 */

import { detachMount, setPropagation } from "../linux/mount.ts";
import { isWithin, readMounts } from "../linux/mountinfo.ts";
import { SIGKILL, signalProcess } from "../linux/process.ts";
import type { GcArguments } from "../stage1/arguments.ts";
import { listAppRoots } from "../stage1/pod_directory.ts";
import { fenceForGood } from "./fence.ts";
import { findMembers } from "./members.ts";
import { removePodCgroup } from "./pod_cgroup.ts";
import { type Trace, tracer } from "./trace.ts";

/**
 * Takes down what is left of the pod. Doing so twice, or after a `run` that was killed, is fine.
 *
 * @throws {SyscallError} when the kernel refuses a step.
 */
export function collectPod({ debug, uuid }: GcArguments): void {
  const trace = tracer("gc", debug);
  const roots = listAppRoots();
  fenceForGood("gc", trace);
  for (const rootfs of roots) {
    detachMountsBelow(Deno.realPathSync(rootfs), trace);
    killMembers(rootfs, trace);
  }
  removePodCgroup(uuid, trace);
}

/** The root itself may be a mount as well, but that one is stage0's. */
function detachMountsBelow(rootfs: string, trace: Trace): void {
  const below = readMounts()
    .map(({ mountPoint }) => mountPoint)
    .filter((mountPoint) => mountPoint !== rootfs && isWithin(mountPoint, rootfs));
  // Unmounting a mount that is shared with the host would unmount the host's as well.
  for (const mountPoint of below) setPropagation(mountPoint, "private", true);
  for (const mountPoint of below.toReversed()) {
    trace(`unmount ${mountPoint}`);
    detachMount(mountPoint);
  }
}

function killMembers(rootfs: string, trace: Trace): void {
  for (const { pid, process } of findMembers(rootfs)) {
    trace(`kill ${pid}`);
    signalProcess(process, SIGKILL);
  }
}
