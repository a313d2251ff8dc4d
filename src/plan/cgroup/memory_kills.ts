/**
 * What is said of processes that the kernel has killed because there was too little memory.
 *
 * @module
 */

import type { Hierarchy } from "./names.ts";
import type { CgroupLimit } from "./placement.ts";

/** Kills for memory, which are told in one line. */
export interface MemoryKillReport {
  /** Whose processes they were. */
  of: { app: string; field: string } | "pod";
  /** How many were killed. */
  count: number;
  /** The limit that was reached; undefined if it was none of the pod's. */
  limit: CgroupLimit | undefined;
}

/** The files of version 1 and 2 that say how much memory a cgroup may have. */
const LIMIT_FILES = ["memory.limit_in_bytes", "memory.max"];

/** The larger first: of 32M, which is 32 000 000 bytes, `MB` comes before `KiB`. */
const UNITS: readonly [name: string, bytes: number][] = [
  ["GiB", 2 ** 30],
  ["GB", 10 ** 9],
  ["MiB", 2 ** 20],
  ["MB", 10 ** 6],
  ["KiB", 2 ** 10],
];

/** Tells whether cgroups of a hierarchy tell of kills for memory. */
export function tellsOfMemory(
  { version, mountOptions }: Pick<Hierarchy, "mountOptions" | "version">,
): boolean {
  return version === 2 || mountOptions.includes("memory");
}

/** Finds the limit of memory among those of a cgroup. */
export function memoryLimitOf(limits: readonly CgroupLimit[]): CgroupLimit | undefined {
  return limits.find(({ file }) => LIMIT_FILES.includes(file));
}

/**
 * Formats the line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const isolator = "apps[0].app.isolators[0] (resource/memory)";
 * const limit = { file: "memory.max", value: "67108864", isolator };
 * const of = { app: "web", field: "apps[0]" };
 * assertEquals(
 *   describeMemoryKills({ of, count: 2, limit }),
 *   `${isolator}: killed for memory: 2 processes of app "web": the limit is 64 MiB`,
 * );
 * ```
 */
export function describeMemoryKills({ of, count, limit }: MemoryKillReport): string {
  const processes = count === 1 ? "1 process" : `${count} processes`;
  const [place, whose] = of === "pod" ? ["pod", "of the pod"] : [of.field, `of app "${of.app}"`];
  const why = limit
    ? `the limit is ${formatBytes(Number(limit.value))}`
    : "at no limit of the pod, but of a cgroup above it, or of the machine";
  return `${limit?.isolator ?? place}: killed for memory: ${processes} ${whose}: ${why}`;
}

/**
 * Formats a number of bytes in the largest unit that needs no fraction.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const texts = [2 ** 30, 64 * 2 ** 20, 32_000_000, 4097].map(formatBytes);
 * assertEquals(texts, ["1 GiB", "64 MiB", "32 MB", "4097 bytes"]);
 * ```
 */
export function formatBytes(bytes: number): string {
  const [name, size] = UNITS.find(([, size]) => bytes % size === 0) ?? ["bytes", 1];
  return `${bytes / size} ${name}`;
}
