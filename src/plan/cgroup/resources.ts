/**
 * Limits of resources: isolators turned into values for the files of a cgroup, decided before
 * anything is written. appc spec 0.8.11, `spec/ace.md`, "Resource Isolators".
 *
 * An isolator of the pod bounds the app's: with one app in a pod, the smaller number holds.
 *
 * @module
 */

import type { Isolators, Placed, ResourceIsolator } from "../../appc/isolators.ts";
import type { Cgroups } from "../../linux/cgroup_paths.ts";
import type { CgroupWrite, ResourceSetting } from "./placement.ts";

/** Facts of the host that decide about limits. */
export interface HostResources {
  cgroups: Cgroups;
  /** `MAJOR:MINOR` of each whole block device; a partition cannot be limited by itself. */
  blockDevices: readonly string[];
}

/** A value for /proc/self/oom_score_adj: proc_pid_oom_score_adj(5). */
export interface OomScorePlan {
  value: number;
  /** The isolator that asks for it, as messages name it. */
  isolator: string;
}

/** What holds for one resource, after the pod has bounded the app. */
interface Amount {
  request: number | undefined;
  limit: number | undefined;
  isolator: string;
}

/** The kernel's default, and the longest period that it accepts, in microseconds. */
const CPU_PERIOD = 100_000;
const LONGEST_CPU_PERIOD = 1_000_000;
/** The shortest quota that the kernel accepts, in microseconds. */
const SHORTEST_CPU_QUOTA = 1000;

/** The shares of version 1 that stand for the work of one processor. */
const SHARES_PER_CPU = 1024;
/** The bounds of `cpu.shares`. */
const SHARES = { least: 2, most: 262_144 };
/** The bounds of `cpu.weight`, and the weight that {@linkcode SHARES_PER_CPU} stands for. */
const WEIGHT = { least: 1, most: 10_000, usual: 100 };

/** A little less than the largest signed 64-bit number, which to the kernel is no limit. */
const HIGHEST = 2 ** 63 - 1024;

/** Tells whether isolators limit anything that needs a cgroup. */
export function needCgroups(levels: readonly Isolators[]): boolean {
  return needBlockDevices(levels) ||
    levels.some(({ memory, cpu, cpuShares }) => memory ?? cpu ?? cpuShares);
}

/** Tells whether isolators limit block devices, which then all have to be known. */
export function needBlockDevices(levels: readonly Isolators[]): boolean {
  return levels.some(({ blockBandwidth, blockIops }) => blockBandwidth ?? blockIops);
}

/**
 * Decides what isolators set in the files of cgroups.
 *
 * @param app The isolators of the app or pod that the cgroup is for.
 * @param pod The isolators that bound them.
 * @param blockDevices As in {@linkcode HostResources}.
 * @returns The settings, and notes on what is not as the manifest says, and why: one line each.
 * @throws {Error} when a limit would leave an app nothing to run with.
 */
export function planResourceSettings(
  app: Isolators,
  pod: Isolators,
  blockDevices: readonly string[],
): { settings: ResourceSetting[]; notes: string[] } {
  const notes: string[] = [];
  const settings = [
    memorySetting(boundBy("resource/memory", app.memory, pod.memory, notes)),
    cpuLimitSetting(boundBy("resource/cpu", app.cpu, pod.cpu, notes)),
    cpuWeightSetting(app, pod, notes),
    bandwidthSetting(app, pod, blockDevices, notes),
    iopsSetting(app, pod, blockDevices, notes),
  ].filter((setting) => setting !== undefined);
  return { settings, notes };
}

/**
 * Returns version 2's weight for shares of version 1, in the kernel's own proportion: 1024 shares
 * weigh 100.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals([2, 512, 1024, 262_144].map(weightOfShares), [1, 50, 100, 10_000]);
 * ```
 */
export function weightOfShares(shares: number): number {
  return clamp(Math.round(shares * WEIGHT.usual / SHARES_PER_CPU), WEIGHT);
}

/**
 * Returns the quota of processor time, and the period that it is for, in microseconds.
 *
 * @param millicores Thousandths of a processor, at least 1.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(cpuQuota(1500), { quota: 150_000, period: 100_000 });
 * assertEquals(cpuQuota(3), { quota: 3000, period: 1_000_000 });
 * ```
 */
export function cpuQuota(millicores: number): { quota: number; period: number } {
  const quotaIn = (period: number) => Math.round(millicores * period / 1000);
  const period = quotaIn(CPU_PERIOD) < SHORTEST_CPU_QUOTA ? LONGEST_CPU_PERIOD : CPU_PERIOD;
  return { quota: quotaIn(period), period };
}

/**
 * By the spec, a request that is left out equals the limit, and a request is never more than the
 * limit.
 */
function boundBy(
  name: string,
  app: ResourceIsolator | undefined,
  pod: ResourceIsolator | undefined,
  notes: string[],
): Amount | undefined {
  const limit = smaller(app?.limit, pod?.limit);
  const podDecides = app === undefined || (pod?.limit !== undefined && pod.limit === limit);
  const decisive = podDecides ? pod : app;
  if (decisive === undefined) return undefined;
  const isolator = nameIsolator(decisive, name);
  if (limit !== undefined && limit < 1) {
    throw new Error(`${isolator}: limit: nothing is left to run with`);
  }
  if (limit !== undefined && app?.limit !== undefined && limit < app.limit) {
    notes.push(`${nameIsolator(app, name)}: limit: ${isolator} bounds ${app.limit} to ${limit}`);
  }
  const request = smaller(app?.request ?? app?.limit, pod?.request ?? pod?.limit);
  return { request: smaller(request, limit), limit, isolator };
}

/**
 * With a limit of memory alone, the app could move what exceeds it to swap, and go on. In version
 * 1, the limit of both must at no moment be less than that of memory. What waits in TCP sockets is
 * counted there only if it has a limit of its own.
 */
function memorySetting(amount: Amount | undefined): ResourceSetting | undefined {
  if (amount === undefined) return undefined;
  const { isolator, request, limit } = amount;
  const [low, max] = [request, limit].map((bytes) =>
    bytes === undefined ? undefined : whole(bytes)
  );
  return {
    controller: "memory",
    isolator,
    v1: [
      ...write("memory.limit_in_bytes", max),
      ...optional(write("memory.memsw.limit_in_bytes", max)),
      ...optional(write("memory.kmem.tcp.limit_in_bytes", max)),
      ...write("memory.soft_limit_in_bytes", low),
    ],
    v2: [
      ...write("memory.max", max),
      ...optional(write("memory.swap.max", max && "0")),
      ...write("memory.low", low),
    ],
  };
}

function cpuLimitSetting(amount: Amount | undefined): ResourceSetting | undefined {
  if (amount?.limit === undefined) return undefined;
  const { quota, period } = cpuQuota(amount.limit);
  return {
    controller: "cpu",
    isolator: amount.isolator,
    v1: [
      ...write("cpu.cfs_period_us", `${period}`),
      ...write("cpu.cfs_quota_us", `${quota}`),
    ],
    v2: write("cpu.max", `${quota} ${period}`),
  };
}

/** Shares that are named go before those that would follow from a request. */
function cpuWeightSetting(
  app: Isolators,
  pod: Isolators,
  notes: string[],
): ResourceSetting | undefined {
  const named = smallerOf(app.cpuShares, pod.cpuShares, ({ value }) => value);
  // The note on what bounds the app comes with the limit.
  const amount = boundBy("resource/cpu", app.cpu, pod.cpu, []);
  if (named === undefined) {
    return amount?.request === undefined
      ? undefined
      : sharesSetting(amount.request * SHARES_PER_CPU / 1000, amount.isolator);
  }
  const isolator = nameIsolator(named, "os/linux/cpu-shares");
  if (amount?.request !== undefined) {
    notes.push(`${amount.isolator}: request: not applied: ${isolator} says the app's share`);
  }
  return sharesSetting(named.value, isolator);
}

function sharesSetting(wanted: number, isolator: string): ResourceSetting {
  const shares = clamp(Math.round(wanted), SHARES);
  return {
    controller: "cpu",
    isolator,
    v1: write("cpu.shares", `${shares}`),
    v2: write("cpu.weight", `${weightOfShares(shares)}`),
  };
}

/** The spec's "read/write": the limit applies to each of the two, on each device. */
function bandwidthSetting(
  app: Isolators,
  pod: Isolators,
  blockDevices: readonly string[],
  notes: string[],
): ResourceSetting | undefined {
  const amount = boundBy("resource/block-bandwidth", app.blockBandwidth, pod.blockBandwidth, notes);
  return amount && deviceSetting(amount, blockDevices, "bps");
}

function iopsSetting(
  app: Isolators,
  pod: Isolators,
  blockDevices: readonly string[],
  notes: string[],
): ResourceSetting | undefined {
  const amount = boundBy("resource/block-iops", app.blockIops, pod.blockIops, notes);
  return amount && deviceSetting(amount, blockDevices, "iops");
}

/** One write for each device: the kernel reads only one line at a time. */
function deviceSetting(
  { limit, isolator }: Amount,
  blockDevices: readonly string[],
  unit: "bps" | "iops",
): ResourceSetting | undefined {
  if (limit === undefined) return undefined;
  const value = whole(limit);
  return {
    controller: "io",
    isolator,
    v1: blockDevices.flatMap((device) => [
      ...write(`blkio.throttle.read_${unit}_device`, `${device} ${value}`),
      ...write(`blkio.throttle.write_${unit}_device`, `${device} ${value}`),
    ]),
    v2: blockDevices.flatMap((device) =>
      write("io.max", `${device} r${unit}=${value} w${unit}=${value}`)
    ),
    needsMemory:
      "writes that the page cache takes are not limited: whose they are is known only to " +
      "cgroup v2 with its memory controller",
  };
}

/**
 * Decides how ready the kernel is to kill an app for memory. The app's own isolator goes before the
 * pod's, because a score is no amount of which the smaller one could hold.
 */
export function planOomScore(app: Isolators, pod: Isolators): OomScorePlan | undefined {
  const adjusted = app.oomScoreAdj ?? pod.oomScoreAdj;
  return adjusted &&
    { value: adjusted.value, isolator: nameIsolator(adjusted, "os/linux/oom-score-adj") };
}

function write(file: string, value: string | undefined): CgroupWrite[] {
  return value === undefined ? [] : [{ file, value }];
}

function optional(writes: CgroupWrite[]): CgroupWrite[] {
  return writes.map((it) => ({ ...it, optional: true }));
}

function nameIsolator({ field }: Placed, name: string): string {
  return `${field} (${name})`;
}

function smaller(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Math.min(a, b);
}

function smallerOf<T>(a: T | undefined, b: T | undefined, by: (it: T) => number): T | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return by(b) < by(a) ? b : a;
}

function clamp(value: number, { least, most }: { least: number; most: number }): number {
  return Math.min(Math.max(value, least), most);
}

/** Writes digits only: JavaScript writes large numbers with an exponent. */
function whole(amount: number): string {
  return BigInt(Math.min(Math.ceil(amount), HIGHEST)).toString();
}
