/**
 * A pod's own disk, which is filled and emptied while the pod lives.
 *
 * @module
 */

import { sleep } from "../host.ts";
import type { SmallDisk } from "../small_disk.ts";
import type { DiskPlan } from "./plan.ts";

/** How many milliseconds pass between two looks whether the pod has begun. */
const GLANCE = 2;

/**
 * Fills a disk and empties it, as often as is planned. In the end it is empty.
 *
 * @param hasBegun Tells whether the pod has begun: without room on the disk, none does.
 */
export async function fillAsPlanned(
  disk: SmallDisk,
  { fills }: DiskPlan,
  hasBegun: () => boolean,
): Promise<void> {
  while (!hasBegun()) await sleep(GLANCE);
  for (const { after, lasts } of fills) {
    await sleep(after);
    await disk.fill();
    await sleep(lasts);
    await disk.empty();
  }
}
