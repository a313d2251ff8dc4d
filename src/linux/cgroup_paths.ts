/**
 * Where cgroups are in the file system, and what they are called: cgroups(7).
 *
 * @module
 */

import { failedWith } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { readSetting } from "./kernel_file.ts";
import { readMounts } from "./mount_table.ts";
import { isWithin, type Mount } from "./mountinfo.ts";
import { O_DIRECTORY, O_PATH, openFile } from "./open.ts";
import { readKernelFile } from "./read_write.ts";
import { fileSystemType, statPath } from "./stat.ts";

/** The file that lists a cgroup's processes, and takes them. */
export const PROCS = "cgroup.procs";

/** A hierarchy of version 1: its controllers, and this process's cgroup in it. */
export interface CgroupV1 {
  controllers: string[];
  /** This process's cgroup, by absolute path. */
  directory: string;
}

/** A cgroup of version 2 on the way from the first to this process's own. */
export interface CgroupV2Level {
  /** Its absolute path. */
  directory: string;
  /** The controllers that it can enable for its children: `cgroup.controllers`. */
  controllers: string[];
  /** The controllers that it has enabled for them: `cgroup.subtree_control`. */
  enabled: string[];
  /**
   * Whether other processes than this one are in it, so that it can enable no more: the rule of "no
   * internal processes", which does not apply to the root of the hierarchy.
   */
  occupied: boolean;
  /** Whether it and all cgroups below it are for threads of processes only. */
  threaded: boolean;
}

/** Where this process is in the hierarchies that it can reach. */
export interface Cgroups {
  v1: CgroupV1[];
  /** From the first cgroup of version 2 down to this process's own. Empty without version 2. */
  v2: CgroupV2Level[];
}

/** The paths of this process's cgroups. */
export interface CgroupPaths {
  v1: CgroupV1[];
  /** As in {@linkcode Cgroups}, by absolute path. */
  v2: string[];
}

/**
 * Looks at the hierarchies that this process sees.
 *
 * @throws {SyscallError} when a file of the hierarchies cannot be read.
 */
export function readCgroups(mounts = readMounts()): Cgroups {
  const { v1, v2 } = locateCgroups(readKernelFile("/proc/self/cgroup"), mounts, isVisible);
  return { v1, v2: v2.map(readLevel) };
}

/**
 * Finds a process's cgroups in the file system. Cgroups that are mounted nowhere, or that lie
 * outside of the mounted part of their hierarchy, are left out.
 *
 * @param text The text of /proc/PID/cgroup.
 * @param isUsable Tells whether a mount that shows the cgroup is one to use: {@linkcode isVisible}.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseMountinfo } from "./mountinfo.ts";
 * const mounts = parseMountinfo("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
 * assertEquals(locateCgroups("0::/a/b\n", mounts).v2, [
 *   "/sys/fs/cgroup",
 *   "/sys/fs/cgroup/a",
 *   "/sys/fs/cgroup/a/b",
 * ]);
 * ```
 */
export function locateCgroups(
  text: string,
  mounts: readonly Mount[],
  isUsable: (mount: Mount) => boolean = () => true,
): CgroupPaths {
  const found: CgroupPaths = { v1: [], v2: [] };
  for (const { controllers, path } of parseOwnCgroups(text)) {
    const mount = mounts.find((it) =>
      holds(it, controllers) && isWithin(path, it.root) && isUsable(it)
    );
    if (mount === undefined) continue;
    const steps = path.slice(mount.root === "/" ? 0 : mount.root.length).split("/").filter(Boolean);
    // In a cgroup namespace, the path of a cgroup outside of it begins with `..`.
    if (steps.includes("..")) continue;
    if (controllers.length === 0) found.v2 = stepwise(mount.mountPoint, steps);
    else found.v1.push({ controllers, directory: [mount.mountPoint, ...steps].join("/") });
  }
  return found;
}

/** File systems of version 1 and 2, as fstatfs(2) names them. */
const CGROUP_SUPER_MAGICS: readonly number[] = [0x27e0eb, 0x63677270];

/** Checks whether a directory is in a cgroup file system. */
export function isCgroup(directory: Fd): boolean {
  return CGROUP_SUPER_MAGICS.includes(fileSystemType(directory));
}

/**
 * Checks whether a cgroup, if it is there, can be seen at its path: the path, or as much of it as
 * there is, has to lead into a cgroup file system, which no other mount covers.
 *
 * @param path Absolute.
 * @throws {SyscallError} when the path cannot be walked.
 */
export function showsCgroup(path: string): boolean {
  if (path.split("/").includes("..")) return false;
  for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    try {
      using directory = openFile(at, O_PATH | O_DIRECTORY);
      return isCgroup(directory);
    } catch (error) {
      if (!failedWith(error, "ENOENT", "ENOTDIR")) throw error;
    }
  }
  return false;
}

/**
 * Checks whether a mount can be seen at its place: another one may cover it, or a directory above.
 *
 * @throws {SyscallError} when the path cannot be walked.
 */
export function isVisible({ id, mountPoint }: Pick<Mount, "id" | "mountPoint">): boolean {
  try {
    return statPath(mountPoint).mountId === id;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

/**
 * Returns the kernel's name of a cgroup: its path in its hierarchy.
 *
 * @param directory Its absolute path in the file system.
 * @returns `undefined` where no hierarchy is mounted.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseMountinfo } from "./mountinfo.ts";
 * const mounts = parseMountinfo("41 31 0:38 /part /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
 * assertEquals(cgroupPathOf("/sys/fs/cgroup/a/b", mounts), "/part/a/b");
 * ```
 */
export function cgroupPathOf(directory: string, mounts: readonly Mount[]): string | undefined {
  const mount = mountOf(directory, mounts);
  if (mount === undefined) return undefined;
  return (mount.root === "/" ? "" : mount.root) + directory.slice(mount.mountPoint.length);
}

/**
 * Finds the hierarchy of a cgroup.
 *
 * @param directory Its absolute path in the file system.
 * @param text The text of /proc/PID/cgroup of any process: it lists all hierarchies.
 * @returns The hierarchy's controllers, none for version 2; `undefined` where no mount shows it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseMountinfo } from "./mountinfo.ts";
 * const mounts = parseMountinfo("41 31 0:38 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n");
 * const text = "3:cpu,cpuacct:/\n0::/\n";
 * assertEquals(hierarchyOf("/cg/cpu/a/b", mounts, text), ["cpu", "cpuacct"]);
 * assertEquals(hierarchyOf("/cg/memory/a", mounts, text), undefined);
 * ```
 */
export function hierarchyOf(
  directory: string,
  mounts: readonly Mount[],
  text = readKernelFile("/proc/self/cgroup"),
): string[] | undefined {
  const mount = mountOf(directory, mounts);
  return mount &&
    parseOwnCgroups(text).map(({ controllers }) => controllers)
      .find((controllers) => holds(mount, controllers));
}

/** Of mounts at one place, the last one can be seen. */
function mountOf(directory: string, mounts: readonly Mount[]): Mount | undefined {
  return mounts.findLast(({ type, mountPoint }) =>
    type.startsWith("cgroup") && isWithin(directory, mountPoint)
  );
}

function parseOwnCgroups(text: string): { controllers: string[]; path: string }[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [, controllers = "", ...path] = line.split(":");
    return { controllers: controllers.split(",").filter(Boolean), path: path.join(":") };
  });
}

/** Whether a mount shows the hierarchy of these controllers. Version 2's hierarchy names none. */
function holds({ type, superOptions }: Mount, controllers: readonly string[]): boolean {
  if (controllers.length === 0) return type === "cgroup2";
  const options = superOptions.split(",");
  return type === "cgroup" && controllers.every((controller) => options.includes(controller));
}

function stepwise(start: string, steps: readonly string[]): string[] {
  return [start, ...steps.map((_, i) => [start, ...steps.slice(0, i + 1)].join("/"))];
}

function readLevel(directory: string): CgroupV2Level {
  const words = (file: string) =>
    (readSetting(`${directory}/${file}`) ?? "").split(" ").filter(Boolean);
  // The root of the whole hierarchy is the one cgroup that has no type.
  const type = readSetting(`${directory}/cgroup.type`);
  const isRoot = type === undefined;
  return {
    directory,
    controllers: words("cgroup.controllers"),
    enabled: words("cgroup.subtree_control"),
    occupied: !isRoot && isOccupied(directory),
    threaded: !isRoot && type !== "domain",
  };
}

/** Processes of other PID namespaces are listed as 0. */
function isOccupied(directory: string): boolean {
  try {
    const pids = readKernelFile(`${directory}/${PROCS}`).split("\n").filter(Boolean).map(Number);
    return pids.some((pid) => pid !== Deno.pid);
  } catch (error) {
    // A cgroup of threads cannot be asked.
    if (failedWith(error, "EOPNOTSUPP")) return true;
    throw error;
  }
}
