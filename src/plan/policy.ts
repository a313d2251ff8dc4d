/**
 * What an operator can ask of this stage1 for one pod, beyond the appc schema, by annotations of
 * the pod manifest.
 *
 * @module
 */

import type { Flavor } from "../stage1/flavor.ts";
import type { Pod } from "../stage1/pod.ts";

/** The annotations that this stage1 reads. The value of each is `true` or `false`. */
export const POLICY_ANNOTATIONS = {
  maskedPaths: "stage1-volo/protect-kernel-paths",
  followVolumeLinks: "stage1-volo/follow-volume-links",
} as const;

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
 * Reads the pod's policy.
 *
 * @throws {Error} when one of our annotations is neither `true` nor `false`.
 */
export function readPolicy({ manifest }: Pod, flavor: Flavor): Policy {
  const find = (name: string, unlessSaid?: string) => {
    const i = manifest.annotations.findIndex((annotation) => annotation.name === name);
    const value = manifest.annotations[i]?.value;
    if (value === undefined) return unlessSaid;
    if (value === "false") return undefined;
    if (value === "true") return `annotations[${i}]`;
    throw new Error(
      `annotations[${i}].value: ${JSON.stringify(value)} is neither true nor false (${name})`,
    );
  };
  return {
    maskedPaths: find(
      POLICY_ANNOTATIONS.maskedPaths,
      flavor === "isolated" ? "the image isolates its pods" : undefined,
    ),
    followsVolumeLinks: find(POLICY_ANNOTATIONS.followVolumeLinks, "the default") !== undefined,
  };
}
