/**
 * The cgroups of pods, wherever they are.
 *
 * @module
 */

import { readMounts } from "./procfs.ts";

/**
 * Lists all cgroups that have a pod's UUID in their name, as `volo-UUID` or as systemd spells it.
 */
export function findPodCgroups(uuids: readonly string[]): string[] {
  const isOfPods = (name: string) =>
    uuids.some((uuid) => name.replaceAll("\\x2d", "-").includes(uuid));
  const hierarchies = readMounts().filter(({ type }) => type === "cgroup" || type === "cgroup2");
  return hierarchies.flatMap(({ path }) => listDirectories(path)).filter((path) =>
    isOfPods(path.slice(path.lastIndexOf("/") + 1))
  );
}

function listDirectories(directory: string): string[] {
  return subdirectories(directory).flatMap((path) => [path, ...listDirectories(path)]);
}

/** A cgroup may go while it is looked at. */
function subdirectories(directory: string): string[] {
  try {
    return [...Deno.readDirSync(directory)].filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => `${directory}/${name}`);
  } catch {
    return [];
  }
}
