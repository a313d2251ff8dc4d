/**
 * Which files of tests there are, and which of them may run side by side.
 *
 * @module
 */

import { relative, resolve } from "node:path";
import { ROOT } from "./project.ts";

/** Where the tests of the whole system are. */
export const SYSTEM_TESTS = "tests";

/** Where tests stand beside what they test, the slowest first. */
export const UNIT_TESTS: readonly string[] = ["tasks", "src", "image"];

/** The files that take longest. They begin first, so that none of them is left over at the end. */
export const LONGEST: readonly string[] = [
  "hostile_pods_begin_test.ts",
  "app_kills_test.ts",
  "hostile_test.ts",
  "app_add_test.ts",
  "soak_test.ts",
  "hostile_pods_processes_test.ts",
  "explain_test.ts",
  "app_rm_test.ts",
  "stop_test.ts",
  "app_restart_test.ts",
  "app_sandbox_test.ts",
  "network_end_test.ts",
  "stop_signal_test.ts",
  "hostile_pods_control_test.ts",
  "hostile_pods_volumes_test.ts",
  "hostile_pods_end_test.ts",
  "stalled_reader_test.ts",
  "full_disk_test.ts",
  "code_cache_test.ts",
  "several_apps_test.ts",
  "isolated_users_test.ts",
  "isolated_stop_test.ts",
];

/** The files that boot virtual machines, two at a time: one file of them is enough. */
export const MACHINES: readonly string[] = [
  "systemd_host_test.ts",
  "isolated_cgroup2_host_test.ts",
  "cgroup2_host_test.ts",
  "selinux_host_test.ts",
];

/** Those that need images for another processor, which are built meanwhile. */
export const FOREIGN_MACHINES: readonly string[] = ["arm64_host_test.ts"];

/** The files that look at what others change: they run last, and one after the other. */
export const ALONE: readonly string[] = [
  // It compares two listings of the host's cgroups, where pods may have theirs.
  "mounts_test.ts",
];

/** The files that are in one of these lists. */
const SPECIAL = [...LONGEST, ...MACHINES, ...FOREIGN_MACHINES, ...ALONE];

/** Files, by what may run beside them. */
export interface Schedule {
  /** Run beside each other, in this order. */
  readonly sideBySide: readonly string[];
  /** Run one after the other, beside those. */
  readonly machines: readonly string[];
  /** Run behind the machines, when the images for the other processor are built. */
  readonly foreign: readonly string[];
  /** Run when all others have ended, one after the other. */
  readonly alone: readonly string[];
}

/**
 * Says when each file is run.
 *
 * @param files Names of files of the tests of the system.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(planFiles(["mounts_test.ts", "gc_test.ts", "stop_test.ts"]), {
 *   sideBySide: ["stop_test.ts", "gc_test.ts"],
 *   machines: [],
 *   foreign: [],
 *   alone: ["mounts_test.ts"],
 * });
 * ```
 */
export function planFiles(files: readonly string[]): Schedule {
  const isOther = (file: string) => !SPECIAL.includes(file);
  const among = (list: readonly string[]) => list.filter((file) => files.includes(file));
  return {
    sideBySide: [...among(LONGEST), ...files.filter(isOther)],
    machines: among(MACHINES),
    foreign: among(FOREIGN_MACHINES),
    alone: among(ALONE),
  };
}

/** Lists the files of the tests of the system, in alphabetical order. */
export async function listSystemTests(): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(`${ROOT}/${SYSTEM_TESTS}`));
  return entries.map(({ name }) => name).filter((name) => name.endsWith("_test.ts")).sort();
}

/**
 * Checks that a path, relative to the project, can have tests.
 *
 * @throws {Error} when nothing is there, or a file that is not one of tests.
 */
export function requireTests(path: string): void {
  const inProject = relative(ROOT, resolve(ROOT, path));
  if (inProject.startsWith("..")) throw new Error(`${path}: is not in the project`);
  let info;
  try {
    info = Deno.statSync(resolve(ROOT, path));
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) throw new Error(`${path}: there is no such file`);
    throw new Error(path, { cause });
  }
  if (info.isDirectory || MAY_HAVE_TESTS.test(path)) return;
  throw new Error(`${path}: is no file with tests, or with examples`);
}

/** Names of files that have tests, or examples in comments or in text. */
const MAY_HAVE_TESTS = /\.(ts|mjs|md)$/;
