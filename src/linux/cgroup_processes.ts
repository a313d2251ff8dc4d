/**
 * The processes in a cgroup and in those below it: listing, freezing and killing them, and removing
 * the cgroups. See the kernel's `admin-guide/cgroup-v1/freezer-subsystem.rst` and
 * `admin-guide/cgroup-v2.rst`.
 *
 * @module
 */

import { PROCS } from "./cgroup_paths.ts";
import { listEntries } from "./directory.ts";
import { failedWith } from "./errno.ts";
import { AT_FDCWD } from "./fd.ts";
import { readSetting, writeSetting } from "./kernel_file.ts";
import { syscall } from "./libc.ts";
import { readKernelFile } from "./read_write.ts";

const AT_REMOVEDIR = 0x200;

/**
 * Kills all processes in a cgroup and in those below it at once.
 *
 * @returns Whether the kernel did it. Version 1 cannot, nor can version 2 before Linux 5.14.
 * @throws {SyscallError} when the kernel refuses.
 */
export function cgroupKill(directory: string): boolean {
  const done = unlessGone(() => {
    writeSetting(`${directory}/cgroup.kill`, "1");
    return true;
  });
  return done ?? false;
}

/**
 * Has all processes in a cgroup and in those below it freeze, which takes a moment. Only version 2
 * and version 1's `freezer` can do it: elsewhere nothing happens.
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function freeze(directory: string): void {
  unlessGone(() => writeSetting(`${directory}/freezer.state`, "FROZEN"));
  unlessGone(() => writeSetting(`${directory}/cgroup.freeze`, "1"));
}

/**
 * Checks whether some processes of a cgroup that {@linkcode freeze} was called for are not frozen
 * yet.
 */
export function isFreezing(directory: string): boolean {
  const state = readSetting(`${directory}/freezer.state`);
  if (state !== undefined) return state === "FREEZING";
  return readSetting(`${directory}/cgroup.events`)?.includes("frozen 0") ?? false;
}

/**
 * Lets the processes in a cgroup and in those below it go on, whoever froze them.
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function thaw(directory: string): void {
  for (const each of [directory, ...descendants(directory)]) {
    unlessGone(() => writeSetting(`${each}/freezer.state`, "THAWED"));
    unlessGone(() => writeSetting(`${each}/cgroup.freeze`, "0"));
  }
}

/**
 * Returns the ids of the processes in a cgroup and in those below it. Processes that this one
 * cannot see are left out.
 *
 * @throws {SyscallError} when a list cannot be read.
 */
export function listCgroupProcesses(directory: string): number[] {
  return [directory, ...descendants(directory)].flatMap(readProcs);
}

/**
 * Removes a cgroup and those below it.
 *
 * @returns Whether it is gone. A cgroup with processes in it cannot be removed.
 * @throws {SyscallError} when the kernel refuses for another reason than processes.
 */
export function removeCgroup(directory: string): boolean {
  const deepestFirst = [directory, ...descendants(directory)].reverse();
  return deepestFirst.every(removeEmpty);
}

/** Parents come before their children. */
function descendants(directory: string): string[] {
  return subdirectories(directory)
    .map((name) => `${directory}/${name}`)
    .flatMap((path) => [path, ...descendants(path)]);
}

function readProcs(directory: string): number[] {
  const text = unlessGone(() => readKernelFile(`${directory}/${PROCS}`)) ?? "";
  return text.split("\n").filter(Boolean).map(Number).filter((pid) => pid !== 0);
}

function removeEmpty(directory: string): boolean {
  try {
    syscall("unlinkat", AT_FDCWD, directory, AT_REMOVEDIR);
    return true;
  } catch (error) {
    if (failedWith(error, "ENOENT")) return true;
    if (failedWith(error, "EBUSY")) return false;
    throw error;
  }
}

/**
 * The directories in a directory. A cgroup is mostly files, and its file system tells the type of
 * each entry, so no entry has to be looked up.
 */
function subdirectories(directory: string): string[] {
  const entries = unlessGone(() => listEntries(directory)) ?? [];
  return entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
}

/** A cgroup may be removed while it is looked at. */
function unlessGone<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENODEV", "EOPNOTSUPP")) return undefined;
    throw error;
  }
}
