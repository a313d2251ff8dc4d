/**
 * Under which numbers an entrypoint has descriptors that lead to the host's root, as the host sees it.
 *
 * @module
 */

import { must } from "../host.ts";
import type { Program } from "../stage0.ts";
import { descriptorWatcher } from "./attackers.ts";

/**
 * Watches a program and its children while it begins, for a number of milliseconds, and returns the numbers: these
 * are what a path through `/proc/self/fd` would use.
 */
export async function watchDescriptors(
  { pid }: Program,
  milliseconds = 600,
): Promise<number[]> {
  const output = await must([await descriptorWatcher(), `${pid}`, `${milliseconds}`]);
  return output.split("\n").filter((line) => line !== "").map(Number);
}
