/**
 * The cgroups of a pod that runs, for an app that is added to it.
 *
 * @module
 */

import {
  type Cgroups,
  type CgroupV1,
  type CgroupV2Level,
  hierarchyOf,
} from "../linux/cgroup_paths.ts";
import { readSetting } from "../linux/kernel_file.ts";
import { readMounts } from "../linux/mount_table.ts";
import { machineCgroupName } from "../plan/cgroup/names.ts";
import { loadCgroupPaths } from "./paths_file.ts";

/**
 * Looks at the cgroups that `run` has recorded. Those that no mount shows here are left out.
 *
 * @param uuid The pod's UUID.
 * @returns The cgroups that the pod's are in, as if they were this process's own: so the pod's get
 * the paths that they have.
 * @throws {Error} when the record cannot be read.
 * @throws {SyscallError} when a file of the hierarchies cannot be read.
 */
export function lookAtPodCgroups(uuid: string): Cgroups {
  const mounts = readMounts();
  const found: { v1: CgroupV1[]; v2: CgroupV2Level[] } = { v1: [], v2: [] };
  for (const path of loadCgroupPaths([machineCgroupName(uuid)]).visible) {
    const directory = path.slice(0, path.lastIndexOf("/"));
    const controllers = hierarchyOf(path, mounts);
    if (controllers === undefined) continue;
    if (controllers.length > 0) found.v1.push({ controllers, directory });
    else found.v2.push(levelAbove(path, directory));
  }
  return found;
}

/** What the pod's cgroup can give to its children has been given to it. */
function levelAbove(pod: string, directory: string): CgroupV2Level {
  const controllers = (readSetting(`${pod}/cgroup.controllers`) ?? "").split(" ").filter(Boolean);
  return { directory, controllers, enabled: controllers, occupied: false, threaded: false };
}
