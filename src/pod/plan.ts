/**
 * The plan of the pod in a directory: for `run`, which carries it out, and for `explain`, which
 * prints it.
 *
 * @module
 */

import { planQuestions } from "../plan/host_facts.ts";
import { planPod, type PodPlan } from "../plan/pod.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { readFlavor } from "../stage1/flavor.ts";
import { loadPod } from "../stage1/pod.ts";
import { lookAtHost } from "./host_facts.ts";

/**
 * Plans the pod whose directory is the working directory. Changes nothing, and needs no privileges.
 *
 * @param sources Keeps the sources of the volumes open, so that what was looked at is what gets
 * mounted.
 * @throws {Error} which names the file, field or flag that is wrong.
 */
export function planPodDirectory(args: RunArguments, sources: VolumeSources): PodPlan {
  const flavor = readFlavor();
  const pod = loadPod();
  const facts = lookAtHost(planQuestions(pod, args, flavor), args, sources);
  return planPod(pod, args, flavor, facts);
}
