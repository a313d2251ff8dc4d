/**
 * The record of a pod's cgroups. `run` writes their paths before it makes any, so that `gc` finds
 * the cgroups without a search through all cgroups of the host, also when `run` was killed
 * half-way.
 *
 * @module
 */

import { showsCgroup } from "../linux/cgroup_paths.ts";
import { decodeText } from "../linux/text.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { savePodFile } from "../stage1/pod_file.ts";

/**
 * Writes the record. A pod that gets no cgroups has none.
 *
 * @param paths The absolute paths of the cgroups.
 * @throws {Error} when the file cannot be written.
 */
export function saveCgroupPaths(paths: readonly string[]): void {
  if (paths.length === 0) return;
  savePodFile(POD_PATHS.cgroups, paths.map((path) => `${path}\n`).join(""));
}

/** The cgroups that a pod may have. */
export interface RecordedCgroups {
  /** Those that can be seen, if they are there. */
  visible: string[];
  /** Those that no mount of this namespace shows, so that nothing can be said of them. */
  hidden: string[];
}

/**
 * Reads which cgroups the pod may have.
 *
 * @param names The names of the cgroups that the caller wants; others in the record are left out.
 * @throws {Error} when there is a record that cannot be read.
 */
export function loadCgroupPaths(names: readonly string[]): RecordedCgroups {
  const paths = pathsIn(readRecord() ?? "", names);
  const kindOf = (path: string) => showsCgroup(path) ? "visible" : "hidden";
  const { visible = [], hidden = [] } = Object.groupBy(paths, kindOf);
  return { visible, hidden };
}

/**
 * Finds the paths that end with one of these names in a record. Whatever else the record holds is
 * ignored.
 */
export function pathsIn(record: string, names: readonly string[]): string[] {
  return record.split("\n").filter((path) =>
    path.startsWith("/") && names.includes(path.slice(path.lastIndexOf("/") + 1))
  );
}

function readRecord(): string | undefined {
  try {
    return decodeText(Deno.readFileSync(POD_PATHS.cgroups));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new Error(`${POD_PATHS.cgroups}: cannot be read`, { cause: error });
  }
}
