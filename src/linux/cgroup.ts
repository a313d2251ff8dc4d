/**
 * Control groups, version 1 and 2: where they are, and making, limiting, joining and removing one.
 * See cgroups(7), and the kernel's `admin-guide/cgroup-v1/` and `admin-guide/cgroup-v2.rst`.
 *
 * @module
 */

import { CallScript } from "./call_script.ts";
import { listEntries, makeDirectoryAt } from "./directory.ts";
import { failedWith } from "./errno.ts";
import { AT_FDCWD, Fd } from "./fd.ts";
import { readSetting, writeSetting } from "./kernel_file.ts";
import { syscall } from "./libc.ts";
import { readMounts } from "./mount_table.ts";
import { isWithin, type Mount } from "./mountinfo.ts";
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, O_WRONLY, openAt, openFile } from "./open.ts";
import { readKernelFile, writeText } from "./read_write.ts";

/** A hierarchy of version 1: some controllers, and this process's cgroup among theirs. */
export interface CgroupV1 {
  controllers: string[];
  /** This process's cgroup, by absolute path. */
  directory: string;
}

/** A cgroup of version 2 on the way from the first to this process's own. */
export interface CgroupV2Level {
  /** Its absolute path. */
  directory: string;
  /** The controllers that it could enable for its children: `cgroup.controllers`. */
  controllers: string[];
  /** Those that it has enabled for them: `cgroup.subtree_control`. */
  enabled: string[];
  /**
   * Whether processes beside this one are in it, so that it can enable no more: the rule of "no internal
   * processes", which the root of the hierarchy is free of.
   */
  occupied: boolean;
  /** Whether it is for threads of processes alone, and so are all below it. */
  threaded: boolean;
}

/** Where this process is in the hierarchies that can be reached. */
export interface Cgroups {
  v1: CgroupV1[];
  /** The first cgroup of version 2 comes first, this process's own last. Empty without version 2. */
  v2: CgroupV2Level[];
}

/** The paths of this process's cgroups. */
export interface CgroupPaths {
  v1: CgroupV1[];
  /** As in {@linkcode Cgroups}, by absolute path. */
  v2: string[];
}

const PROCS = "cgroup.procs";
const PROCS_FILES = { 1: "tasks", 2: PROCS } as const;
const AT_REMOVEDIR = 0x200;

/**
 * Looks at the hierarchies that this process sees.
 *
 * @throws {SyscallError}
 */
export function readCgroups(mounts = readMounts()): Cgroups {
  const { v1, v2 } = locateCgroups(readKernelFile("/proc/self/cgroup"), mounts);
  return { v1, v2: v2.map(readLevel) };
}

/**
 * Finds a process's cgroups in the file system. What is mounted nowhere, or only in parts that the process
 * is not in, is left out.
 *
 * @param text What /proc/PID/cgroup says.
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
export function locateCgroups(text: string, mounts: readonly Mount[]): CgroupPaths {
  const found: CgroupPaths = { v1: [], v2: [] };
  for (const { controllers, path } of parseOwnCgroups(text)) {
    const mount = mounts.find((it) => holds(it, controllers) && isWithin(path, it.root));
    if (mount === undefined) continue;
    const steps = path.slice(mount.root === "/" ? 0 : mount.root.length).split("/").filter(Boolean);
    // In a cgroup namespace, what is outside of it has a path that begins with `..`.
    if (steps.includes("..")) continue;
    if (controllers.length === 0) found.v2 = stepwise(mount.mountPoint, steps);
    else found.v1.push({ controllers, directory: [mount.mountPoint, ...steps].join("/") });
  }
  return found;
}

/**
 * Opens the files by which a process of one thread can move into the same cgroups as another: see
 * {@linkcode openProcs}.
 *
 * @param pid The other one.
 * @param parts Names, one of which each of them has to have in its path.
 * @throws {SyscallError}
 */
export function openCgroupsOf(pid: number, parts: readonly string[]): Fd[] {
  const text = readKernelFile(`/proc/${pid}/cgroup`);
  const lines = text.split("\n").filter((line) =>
    line.split("/").some((part) => parts.includes(part))
  );
  if (lines.length === 0) return [];
  const { v1, v2 } = locateCgroups(lines.join("\n"), readMounts());
  const paths = [
    ...v1.map(({ directory }) => `${directory}/${PROCS_FILES[1]}`),
    ...v2.slice(-1).map((directory) => `${directory}/${PROCS_FILES[2]}`),
  ];
  return paths.map((path) => openFile(path, O_WRONLY));
}

/**
 * Makes a cgroup, or opens the one that is there, and leaves its settings to the caller.
 *
 * @param parent The cgroup that it is in.
 * @returns Its directory.
 * @throws {SyscallError}
 */
export function makeCgroup(parent: Fd, name: string): Fd {
  try {
    makeDirectoryAt(parent, name);
  } catch (error) {
    if (!failedWith(error, "EEXIST")) throw error;
  }
  return openAt(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/**
 * Moves this process into a cgroup, with all its threads. What it uses so far stays charged to the old one.
 *
 * @throws {SyscallError}
 */
export function joinCgroup(cgroup: Fd): void {
  setLimit(cgroup, PROCS, "0");
}

/**
 * Opens a cgroup so that a process of one thread which is not yet there, and will not see the directory, can move
 * into it: by writing `0`.
 *
 * In version 1 this moves the one thread. To move a process, the kernel first waits for all processors, which
 * takes it ten milliseconds and more.
 *
 * @throws {SyscallError}
 */
export function openProcs(cgroup: Fd, version: 1 | 2): Fd {
  return openAt(cgroup, PROCS_FILES[version], O_WRONLY);
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
 * Gives a cgroup's children controllers that it has itself. Version 2 only.
 *
 * @throws {SyscallError} `EBUSY` while processes are in it.
 */
export function enableControllers(cgroup: Fd, controllers: readonly string[]): void {
  setLimit(cgroup, "cgroup.subtree_control", controllers.map((name) => `+${name}`).join(" "));
}

/**
 * Whether a path, if there is anything at it, is a cgroup: what is mounted there last is a hierarchy of them.
 *
 * @param path Absolute.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseMountinfo } from "./mountinfo.ts";
 * const mounts = parseMountinfo("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
 * assertEquals(isCgroupPath("/sys/fs/cgroup/a", mounts), true);
 * assertEquals(isCgroupPath("/sys/fs/cgroup/../a", mounts), false);
 * ```
 */
export function isCgroupPath(path: string, mounts: readonly Mount[]): boolean {
  if (path.split("/").includes("..")) return false;
  const nearest = mounts.filter(({ mountPoint }) => isWithin(path, mountPoint))
    .reduce<Mount | undefined>(
      (near, mount) => mount.mountPoint.length < (near?.mountPoint.length ?? 0) ? near : mount,
      undefined,
    );
  return nearest?.type === "cgroup" || nearest?.type === "cgroup2";
}

/**
 * What the kernel calls a cgroup, in its hierarchy.
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
  const mount = mounts.findLast(({ type, mountPoint }) =>
    type.startsWith("cgroup") && isWithin(directory, mountPoint)
  );
  if (mount === undefined) return undefined;
  return (mount.root === "/" ? "" : mount.root) + directory.slice(mount.mountPoint.length);
}

/**
 * Ends all processes in a cgroup and in those below it at once.
 *
 * @returns Whether the kernel has done it. Version 1 cannot, nor can version 2 before Linux 5.14.
 * @throws {SyscallError}
 */
export function cgroupKill(directory: string): boolean {
  const done = unlessGone(() => {
    writeSetting(`${directory}/cgroup.kill`, "1");
    return true;
  });
  return done ?? false;
}

/**
 * Has all processes in a cgroup and in those below it freeze, which takes them a moment. Version 2 does, and version
 * 1's `freezer`: elsewhere nothing happens.
 *
 * @throws {SyscallError}
 */
export function freeze(directory: string): void {
  unlessGone(() => writeSetting(`${directory}/freezer.state`, "FROZEN"));
  unlessGone(() => writeSetting(`${directory}/cgroup.freeze`, "1"));
}

/** Whether some of those that {@linkcode freeze} was meant for have yet to. */
export function isFreezing(directory: string): boolean {
  const state = readSetting(`${directory}/freezer.state`);
  if (state !== undefined) return state === "FREEZING";
  return readSetting(`${directory}/cgroup.events`)?.includes("frozen 0") ?? false;
}

/**
 * Has them go on, whoever halted them.
 *
 * @throws {SyscallError}
 */
export function thaw(directory: string): void {
  for (const each of [directory, ...descendants(directory)]) {
    unlessGone(() => writeSetting(`${each}/freezer.state`, "THAWED"));
    unlessGone(() => writeSetting(`${each}/cgroup.freeze`, "0"));
  }
}

/**
 * The ids of the processes in a cgroup and in those below it. Processes that this one cannot see are
 * left out.
 *
 * @throws {SyscallError}
 */
export function listCgroupProcesses(directory: string): number[] {
  return [directory, ...descendants(directory)].flatMap(readProcs);
}

/**
 * Removes a cgroup and those below it.
 *
 * @returns Whether it is gone. It cannot go as long as processes are in it.
 * @throws {SyscallError}
 */
export function removeCgroup(directory: string): boolean {
  const deepestFirst = [directory, ...descendants(directory)].reverse();
  return deepestFirst.every(removeEmpty);
}

function parseOwnCgroups(text: string): { controllers: string[]; path: string }[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const [, controllers = "", ...path] = line.split(":");
    return { controllers: controllers.split(",").filter(Boolean), path: path.join(":") };
  });
}

/** Whether a mount shows the hierarchy of these controllers; that of version 2 names none. */
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
    // A cgroup of threads does not say.
    if (failedWith(error, "EOPNOTSUPP")) return true;
    throw error;
  }
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
 * The directories in a directory. A cgroup is mostly files, and these file systems tell of each entry which it
 * is, so nothing more needs to be asked.
 */
function subdirectories(directory: string): string[] {
  const entries = unlessGone(() => listEntries(directory)) ?? [];
  return entries.filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
}

/** Cgroups come and go while they are looked at. */
function unlessGone<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENODEV", "EOPNOTSUPP")) return undefined;
    throw error;
  }
}

/**
 * Records the move into cgroups.
 *
 * @param procsFd Each one's entrance.
 */
export function recordJoinCgroups(procsFd: readonly Fd[], { call }: CallScript): void {
  for (const { number } of procsFd) call("write", number, "0", 1);
}
