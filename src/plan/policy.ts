/**
 * What an operator can ask of this stage1 for one pod, beyond the appc schema, by annotations of
 * the pod manifest.
 *
 * @module
 */

import type { Flavor } from "../stage1/flavor.ts";
import type { Pod } from "../stage1/pod.ts";
import { annotationOfPod, isTrue } from "./annotations.ts";

/** What was asked for. */
export interface Policy {
  /**
   * What asks for paths of /proc and /sys that reach the whole machine to be read-only or hidden:
   * the annotation's place in the manifest, or the image's flavor.
   */
  maskedPaths: string | undefined;
  /** Whether a volume's source may be, or lead through, a symbolic link. */
  followsVolumeLinks: boolean;
}

/**
 * Tells whether a pod begins without apps, and gets them while it runs.
 *
 * @throws {Error} when its annotation is neither `true` nor `false`.
 */
export function isMutable(pod: Pod): boolean {
  const found = annotationOfPod(pod, "coreos.com/rkt/stage1/mutable");
  return found !== undefined && isTrue(found);
}

/**
 * Reads the pod's policy.
 *
 * @throws {Error} when one of our annotations is neither `true` nor `false`.
 */
export function readPolicy(pod: Pod, flavor: Flavor): Policy {
  const links = annotationOfPod(pod, "stage1-volo/follow-volume-links");
  return {
    maskedPaths: askerForMasks(pod, flavor),
    followsVolumeLinks: links === undefined || isTrue(links),
  };
}

function askerForMasks(pod: Pod, flavor: Flavor): string | undefined {
  const found = annotationOfPod(pod, "stage1-volo/protect-kernel-paths");
  if (found !== undefined) return isTrue(found) ? found.place : undefined;
  return flavor === "isolated" ? "the image isolates its pods" : undefined;
}
