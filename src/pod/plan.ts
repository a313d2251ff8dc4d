/**
 * The plan of the pod in a directory: for `run`, which carries it out, and for `explain`, which
 * prints it; and of an app that is added to it.
 *
 * @module
 */

import { lookAtPodCgroups } from "../cgroup/standing.ts";
import { type AddedAppPlan, addedAppQuestions, planAddedApp } from "../plan/added_app.ts";
import { planQuestions } from "../plan/host_facts.ts";
import { planPod, type PodPlan } from "../plan/pod.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { readFlavor } from "../stage1/flavor.ts";
import { loadPod } from "../stage1/pod.ts";
import type { RecordedRun } from "../stage1/runtime_config.ts";
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

/**
 * Plans how an app is added to the pod whose directory is the working directory. Changes nothing,
 * and needs no privileges.
 *
 * @param name The app's name.
 * @param run What the pod was started with.
 * @param sources As for {@linkcode planPodDirectory}.
 * @throws {Error} which names the file or field that is wrong.
 */
export function planAddition(
  name: string,
  run: RecordedRun,
  sources: VolumeSources,
): AddedAppPlan {
  const flavor = readFlavor();
  const pod = loadPod();
  const facts = lookAtHost(addedAppQuestions(pod, name, run, flavor), run.args, sources);
  const cgroups = lookAtPodCgroups(run.args.uuid);
  return planAddedApp(pod, name, run, flavor, { ...facts, cgroups });
}
