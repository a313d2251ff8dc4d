/**
 * The plan of the pod in a directory: for `run`, which carries it out, and for `explain`, which
 * prints it; and of an app that is added to it.
 *
 * @module
 */

import { lookAtPodCgroups } from "../cgroup/standing.ts";
import { type AddedAppPlan, addedAppQuestions, planAddedApp } from "../plan/added_app.ts";
import { placesOf } from "../plan/cgroup/pod_cgroups.ts";
import { planQuestions } from "../plan/host_facts.ts";
import { planPod, type PodPlan } from "../plan/pod.ts";
import { isMutable } from "../plan/policy.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import { readFlavor } from "../stage1/flavor.ts";
import { loadPod, loadPodOf, type Pod } from "../stage1/pod.ts";
import type { RecordedRun } from "../stage1/runtime_config.ts";
import { lookAtHost } from "./host_facts.ts";
import { HOSTS_NETWORK } from "./network.ts";

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

/** The plan of a pod as it begins, and those of the apps that have been added since. */
export interface PodWithAdded {
  pod: PodPlan;
  added: AddedAppPlan[];
}

/**
 * Plans the pod whose directory is the working directory, and each app that was added to it.
 * Changes nothing, and needs no privileges. What only the plugins of networks find out is left out.
 *
 * @param sources As for {@linkcode planPodDirectory}.
 * @throws {Error} which names the file, field or flag that is wrong.
 */
export function planPodWithAdded(args: RunArguments, sources: VolumeSources): PodWithAdded {
  const flavor = readFlavor();
  const pod = loadPod();
  if (!isMutable(pod)) return { pod: planPodDirectory(args, sources), added: [] };
  const empty: Pod = { manifest: { ...pod.manifest, apps: [] }, apps: [] };
  const begun = planPod(
    empty,
    args,
    flavor,
    lookAtHost(planQuestions(empty, args, flavor), args, sources),
  );
  const run = { args, network: HOSTS_NETWORK };
  const cgroups = begun.runBecomes === "app" ? { v1: [], v2: [] } : placesOf(begun.cgroups);
  const added = pod.apps.map(({ name }) => {
    const facts = lookAtHost(addedAppQuestions(pod, name, run, flavor), args, sources);
    return planAddedApp(pod, name, run, flavor, { ...facts, cgroups });
  });
  return { pod: begun, added };
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
  const pod = loadPodOf(name);
  const facts = lookAtHost(addedAppQuestions(pod, name, run, flavor), run.args, sources);
  const cgroups = lookAtPodCgroups(run.args.uuid);
  return planAddedApp(pod, name, run, flavor, { ...facts, cgroups });
}
