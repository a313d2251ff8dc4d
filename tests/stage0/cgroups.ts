/**
 * Removes the cgroups of a pod that is removed without `gc`, as in most tests.
 *
 * @module
 */

import { eventually } from "../host.ts";

/**
 * Removes the cgroups that a pod's record names, once no process is in them any more.
 *
 * @param dir The pod's directory.
 * @throws {Error} when a process stays in one of them.
 */
export async function removeCgroups(dir: string): Promise<void> {
  for (const cgroup of await readRecord(`${dir}/cgroups`)) {
    await eventually(`the end of the processes in ${cgroup}`, () => removeTree(cgroup));
  }
}

async function readRecord(file: string): Promise<string[]> {
  try {
    return (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** @returns Whether the cgroup is gone, with all below it. */
function removeTree(cgroup: string): boolean {
  try {
    const below = [...Deno.readDirSync(cgroup)].filter(({ isDirectory }) => isDirectory);
    if (!below.every(({ name }) => removeTree(`${cgroup}/${name}`))) return false;
    Deno.removeSync(cgroup);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    return false;
  }
}
