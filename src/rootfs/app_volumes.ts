/**
 * An app's volumes, mounted so that none hides another.
 *
 * @module
 */

import { O_PATH, openInRoot } from "../linux/open.ts";
import { statFd } from "../linux/stat.ts";
import { describeMount } from "../plan/describe_steps.ts";
import type { VolumeStep } from "../plan/rootfs/mount_steps.ts";
import { chooseNext, refuseHiding, type Routed } from "../plan/rootfs/volume_order.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { type MountedRoot, type MountTrees, placeMount } from "./app_mounts.ts";
import { findWay } from "./way.ts";

/** The step of a volume, and where its target leads by now. */
interface RoutedStep extends Routed {
  step: VolumeStep;
}

/**
 * Mounts volumes in an order in which each path leads to its own.
 *
 * @param trees The clones for the volumes, which are closed.
 * @param debug Is told of each of them.
 * @throws {Error} when one cannot be mounted, or would hide another; it names the fields.
 */
export function placeVolumes(
  root: MountedRoot,
  steps: readonly VolumeStep[],
  trees: MountTrees,
  debug: Debug,
): void {
  const route = (step: VolumeStep): RoutedStep => {
    const way = withContext(step.field, () => findWay(root.fd, step.target));
    return { target: step.target, field: step.field, step, way };
  };
  const mounted: RoutedStep[] = [];
  let pending = steps.map(route);
  while (pending.length > 0) {
    const next = chooseNext(pending);
    refuseHiding(next, mounted);
    debug(describeMount(next.step));
    withContext(next.field, () => placeMount(root, next.step, trees));
    mounted.push(next);
    pending = pending.filter((it) => it !== next)
      .map((it) => it.way.passes.has(next.way.place) ? route(it.step) : it);
  }
  for (const { target, field } of mounted) withContext(field, () => requireVolume(root, target));
}

/** Others may change a volume of the host while volumes are mounted below it. */
function requireVolume({ fd, taken }: MountedRoot, target: string): void {
  using found = openInRoot(fd, target, O_PATH);
  const { isMountRoot, mountId } = statFd(found);
  if (!isMountRoot || !taken.has(mountId)) throw new Error(`${target} leads elsewhere by now`);
}
