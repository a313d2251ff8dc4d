/**
 * Making, limiting and joining cgroups, version 1 and 2. See cgroups(7), and the kernel's
 * `admin-guide/cgroup-v1/` and `admin-guide/cgroup-v2.rst`.
 *
 * @module
 */

import type { CallScript } from "./call_script.ts";
import { isVisible, locateCgroups, PROCS } from "./cgroup_paths.ts";
import { makeDirectoryAt, unlessThere } from "./directory.ts";
import { failedWith } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { cloneTreeAt } from "./mount.ts";
import { readMounts } from "./mount_table.ts";
import type { Mount } from "./mountinfo.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_WRONLY, openAt, openFile } from "./open.ts";
import { readKernelFile, writeText } from "./read_write.ts";

const PROCS_FILES = { 1: "tasks", 2: PROCS } as const;

/**
 * Makes a cgroup, or opens the one that is there, and leaves its settings to the caller.
 *
 * @param parent The cgroup that contains it.
 * @returns Its directory.
 * @throws {SyscallError} when the kernel refuses, or `parent` is gone.
 */
export function makeCgroup(parent: Fd, name: string): Fd {
  unlessThere(() => makeDirectoryAt(parent, name));
  return openAt(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/**
 * Writes one of a cgroup's files.
 *
 * @throws {SyscallError} `ENOENT` when the cgroup has no such controller.
 */
export function setLimit(cgroup: Fd, file: string, value: string): void {
  using fd = openAt(cgroup, file, O_WRONLY);
  writeText(fd, value);
}

/**
 * Gives a cgroup's children controllers that the cgroup itself has. Version 2 only.
 *
 * @throws {SyscallError} `EBUSY` while processes are in it.
 */
export function enableControllers(cgroup: Fd, controllers: readonly string[]): void {
  setLimit(cgroup, "cgroup.subtree_control", controllers.map((name) => `+${name}`).join(" "));
}

/**
 * Moves this process into a cgroup, with all its threads. The resources that it has used so far
 * stay charged to the old cgroup.
 *
 * @throws {SyscallError} `EBUSY` when the cgroup gives controllers to its children; `ENODEV` when
 * it is gone.
 */
export function joinCgroup(cgroup: Fd): void {
  setLimit(cgroup, PROCS, "0");
}

/**
 * Opens the file by which a process of one thread moves into a cgroup whose directory it will not
 * see: it writes `0`.
 *
 * In version 1 this moves a thread. To move a process, the kernel first waits for all processors,
 * which takes ten milliseconds and more.
 *
 * @throws {SyscallError} when the cgroup is gone.
 */
export function openProcs(cgroup: Fd, version: 1 | 2): Fd {
  return openAt(cgroup, PROCS_FILES[version], O_WRONLY);
}

/**
 * Opens the files by which a process of one thread can move into the cgroups of another process:
 * see {@linkcode openProcs}.
 *
 * @param pid The other process.
 * @param parts Names. Only cgroups with one of them in their path are opened.
 * @throws {SyscallError} when there is no such process, or one of its cgroups is gone.
 * @throws {Error} when no mount shows one of the cgroups: a process that could not join it would
 * escape its limits.
 */
export function openCgroupsOf(pid: number, parts: readonly string[]): Fd[] {
  return openCgroupsWhere(pid, (line) => line.split("/").some((part) => parts.includes(part)));
}

/**
 * Opens the files by which a process that this one starts can move into the cgroups of another
 * process, where these are not this process's: see {@linkcode openProcs}.
 *
 * @param pid The other process.
 * @throws {SyscallError} when there is no such process, or one of its cgroups is gone.
 * @throws {Error} when no mount shows one of the cgroups.
 */
export function openOtherCgroupsOf(pid: number): Fd[] {
  const own = linesOf("self");
  return openCgroupsWhere(pid, (line) => !own.includes(line));
}

function openCgroupsWhere(pid: number, isWanted: (line: string) => boolean): Fd[] {
  const lines = linesOf(pid).filter(isWanted);
  if (lines.length === 0) return [];
  const mounts = readMounts();
  return lines.map((line) => openFile(procsFileOf(line, mounts), O_WRONLY));
}

/** Reads the lines of /proc/PID/cgroup, one for each hierarchy. */
function linesOf(pid: number | "self"): string[] {
  return readKernelFile(`/proc/${pid}/cgroup`).split("\n").filter((line) => line !== "");
}

/** @param line A line of /proc/PID/cgroup. */
function procsFileOf(line: string, mounts: readonly Mount[]): string {
  const { v1: [v1], v2 } = locateCgroups(line, mounts, isVisible);
  if (v1) return `${v1.directory}/${PROCS_FILES[1]}`;
  if (v2.length > 0) return `${v2.at(-1)}/${PROCS_FILES[2]}`;
  throw new Error(`cgroup ${line.slice(line.indexOf(":") + 1)}: no mount shows it here`);
}

/**
 * Clones the mount of a cgroup, without what is above the cgroup, into a tree that is in place
 * nowhere yet.
 *
 * @returns `undefined` where the host's mount is one that cannot be cloned.
 * @throws {SyscallError} when this process may not mount.
 */
export function cloneCgroup(cgroup: Fd): Fd | undefined {
  try {
    return cloneTreeAt(cgroup, false);
  } catch (error) {
    if (failedWith(error, "EINVAL")) return undefined;
    throw error;
  }
}

/**
 * Records the moves of a process into cgroups.
 *
 * @param procsFds What {@linkcode openProcs} opened.
 */
export function recordJoinCgroups(procsFds: readonly Fd[], { call }: CallScript): void {
  for (const { number } of procsFds) call("write", number, "0", 1);
}
