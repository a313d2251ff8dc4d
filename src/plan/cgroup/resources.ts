/**
 * What an app may use of the machine: isolators turned into values for the files of a cgroup, decided
 * before anything is written. appc spec 0.8.11, `spec/ace.md`, "Resource Isolators".
 *
 * An isolator of the pod bounds the app's: with one app in a pod, the smaller number holds.
 *
 * @module
 */

import type { Isolators, Placed, ResourceIsolator } from "../../appc/isolators.ts";
import type { Cgroups } from "../../linux/cgroup_paths.ts";
import type { Flavor } from "../../stage1/flavor.ts";
import type { CgroupWrite, ResourceSetting } from "./placement.ts";

/** What has to be known of the host. */
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

/** What holds of one resource, once the pod has bounded the app. */
interface Amount {
  request: number | undefined;
  limit: number | undefined;
  isolator: string;
}

/** Microseconds; the kernel's default, and the longest that it takes. */
const CPU_PERIOD = 100_000;
const LONGEST_CPU_PERIOD = 1_000_000;
/** The shortest quota that the kernel takes, in microseconds. */
const SHORTEST_CPU_QUOTA = 1000;

/** The shares of version 1 that one processor's worth of work is given. */
const SHARES_PER_CPU = 1024;
/** What the kernel takes as `cpu.shares`. */
const SHARES = { least: 2, most: 262_144 };
/** What the kernel takes as `cpu.weight`, and the weight that {@linkcode SHARES_PER_CPU} stands for. */
const WEIGHT = { least: 1, most: 10_000, usual: 100 };

/** Close below what 64 bits with a sign hold: to the kernel as good as no limit. */
const HIGHEST = 2 ** 63 - 1024;

/** Tells whether isolators limit anything that takes a cgroup. */
export function needCgroups(levels: readonly Isolators[]): boolean {
  return needBlockDevices(levels) ||
    levels.some(({ memory, cpu, cpuShares }) => memory ?? cpu ?? cpuShares);
}

/** Tells whether isolators limit block devices, all of which have to be known then. */
export function needBlockDevices(levels: readonly Isolators[]): boolean {
  return levels.some(({ blockBandwidth, blockIops }) => blockBandwidth ?? blockIops);
}

/**
 * Decides what isolators come to in the files of cgroups.
 *
 * @param app The isolators of whom the cgroup is for.
 * @param pod The isolators that bound them.
 * @param blockDevices As {@linkcode HostResources} has them.
 * @returns The settings; and what is not as the manifest says, and why: one line each.
 * @throws {Error} when an app would get nothing at all, and so could not run.
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
 * Version 2's weight for shares of version 1, in the kernel's own proportion: 1024 shares weigh 100.
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
 * The quota of processor time, and the period that it is for, in microseconds.
 *
 * @param millicores Thousandths of a processor, 1 at least.
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

/** The spec has a request be the limit where it is left out; it can never be more. */
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
 * A limit of memory alone would let the app move what exceeds it to swap, and go on. Version 1 wants the
 * limit of both to be no less than that of memory at any moment.
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

/** Shares that are named go over those that would follow from a request. */
function cpuWeightSetting(
  app: Isolators,
  pod: Isolators,
  notes: string[],
): ResourceSetting | undefined {
  const named = smallerOf(app.cpuShares, pod.cpuShares, ({ value }) => value);
  // What bounds the app has been noted with the limit.
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

/** The spec's "read/write": as much of each, on each device of its own. */
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

/** One write for each device: the kernel reads but one line at a time. */
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

/** Says what no cgroup limits, and why: one line each. */
export function notesOnNetworkLimits({ networkBandwidth }: Isolators, flavor: Flavor): string[] {
  if (networkBandwidth === undefined) return [];
  const isolator = nameIsolator(networkBandwidth, "resource/network-bandwidth");
  const why = flavor === "host"
    ? "the app is in the host's network"
    : "this stage1 shapes no traffic";
  return [`${isolator}: not enforced: ${why}`];
}

/**
 * Decides how ready the kernel is to kill an app for memory. That is no amount of which one could be smaller, so the
 * app's own isolator goes over the pod's.
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

/** Digits only, which large numbers in JavaScript are not by themselves. */
function whole(amount: number): string {
  return BigInt(Math.min(Math.ceil(amount), HIGHEST)).toString();
}
