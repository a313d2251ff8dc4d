/**
 * What an app may use of the machine: isolators turned into values for the files of a cgroup, decided
 * before anything is written. appc spec 0.8.11, `spec/ace.md`, "Resource Isolators".
 *
 * An isolator of the pod bounds the app's: with one app in a pod, the smaller number holds.
 *
 * @module
 */

import type { Isolators, Placed, ResourceIsolator } from "../../appc/isolators.ts";
import { type Cgroups, readCgroups } from "../../linux/cgroup.ts";
import { listDirectory } from "../../linux/directory.ts";
import { readSetting } from "../../linux/kernel_file.ts";
import type { Flavor } from "../../stage1/flavor.ts";
import { type CgroupPlan, placeSettings, type Setting, type Write } from "./placement.ts";

/** What has to be known of the host. */
export interface HostResources {
  cgroups: Cgroups;
  /** `MAJOR:MINOR` of each whole block device; a partition cannot be limited by itself. */
  blockDevices: string[];
}

/** All that is done about an app's resources. */
export interface ResourcePlan {
  cgroups: CgroupPlan[];
  /** For /proc/self/oom_score_adj: proc_pid_oom_score_adj(5). */
  oomScoreAdj: { value: number; isolator: string } | undefined;
  /** What is not enforced, or not as the app's manifest says, and why: one line each. */
  notes: string[];
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

/**
 * Looks at what of the host the isolators need to be known, and at nothing when they need nothing.
 *
 * @param levels The isolators of the app and of the pod.
 * @throws {SyscallError}
 */
export function lookAtResources(levels: readonly Isolators[]): HostResources {
  const needsCgroups = limitDevices(levels) ||
    levels.some(({ memory, cpu, cpuShares }) => memory ?? cpu ?? cpuShares);
  return {
    cgroups: needsCgroups ? readCgroups() : { v1: [], v2: [] },
    blockDevices: lookAtBlockDevices(levels),
  };
}

/**
 * The devices that isolators limit: all, if there is such an isolator.
 *
 * @throws {SyscallError}
 */
export function lookAtBlockDevices(levels: readonly Isolators[]): string[] {
  return limitDevices(levels) ? listBlockDevices() : [];
}

function limitDevices(levels: readonly Isolators[]): boolean {
  return levels.some(({ blockBandwidth, blockIops }) => blockBandwidth ?? blockIops);
}

/**
 * Decides what is done about an app's resources.
 *
 * @param app The app's isolators.
 * @param pod Those of its pod, which bound the app's.
 * @throws {Error} when an app would get nothing at all, and so could not run.
 */
export function planResources(app: Isolators, pod: Isolators, host: HostResources): ResourcePlan {
  const notes: string[] = [];
  const cgroups = placeSettings(planSettings(app, pod, host, notes), host.cgroups, notes);
  for (const isolators of [pod, app]) notes.push(...unenforceable(isolators, "host"));
  // An isolator whose limit and request are written to different files has the same said of both.
  return { cgroups, oomScoreAdj: oomScoreAdj(app, pod), notes: [...new Set(notes)] };
}

/**
 * The same of an app whose cgroups are planned with its pod's.
 */
export function planOomScore(app: Isolators, pod: Isolators): ResourcePlan {
  return { cgroups: [], oomScoreAdj: oomScoreAdj(app, pod), notes: unenforceable(app, "isolated") };
}

/**
 * What isolators come to in the languages of the cgroups.
 *
 * @param app The isolators of whom the cgroup is for.
 * @param pod Those that bound them.
 * @param notes Where it is added what is not as the manifest says, and why.
 * @throws {Error} when an app would get nothing at all, and so could not run.
 */
export function planSettings(
  app: Isolators,
  pod: Isolators,
  host: Pick<HostResources, "blockDevices">,
  notes: string[],
): Setting[] {
  return [
    memorySetting(boundBy("resource/memory", app.memory, pod.memory, notes)),
    cpuLimitSetting(boundBy("resource/cpu", app.cpu, pod.cpu, notes)),
    cpuWeightSetting(app, pod, notes),
    bandwidthSetting(app, pod, host, notes),
    iopsSetting(app, pod, host, notes),
  ].filter((setting) => setting !== undefined);
}

/**
 * The plan in words: one line for each thing that is done.
 *
 * @param name What the pod's cgroups are called.
 */
export function describeResources({ cgroups, oomScoreAdj }: ResourcePlan, name: string): string[] {
  const lines = cgroups.flatMap(({ parent, enable, limits }) => [
    `join cgroup ${parent}/${name}`,
    ...enable.map(({ directory, controllers }) =>
      `  enable ${controllers.join(", ")} in ${directory}`
    ),
    ...limits.map(({ file, value }) => `  ${file} = ${value}`),
  ]);
  return oomScoreAdj === undefined ? lines : [...lines, `oom_score_adj = ${oomScoreAdj.value}`];
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
function memorySetting(amount: Amount | undefined): Setting | undefined {
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

function cpuLimitSetting(amount: Amount | undefined): Setting | undefined {
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
function cpuWeightSetting(app: Isolators, pod: Isolators, notes: string[]): Setting | undefined {
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

function sharesSetting(wanted: number, isolator: string): Setting {
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
  host: Pick<HostResources, "blockDevices">,
  notes: string[],
): Setting | undefined {
  const amount = boundBy("resource/block-bandwidth", app.blockBandwidth, pod.blockBandwidth, notes);
  return amount && deviceSetting(amount, host, "bps");
}

function iopsSetting(
  app: Isolators,
  pod: Isolators,
  host: Pick<HostResources, "blockDevices">,
  notes: string[],
): Setting | undefined {
  const amount = boundBy("resource/block-iops", app.blockIops, pod.blockIops, notes);
  return amount && deviceSetting(amount, host, "iops");
}

/** One write for each device: the kernel reads but one line at a time. */
function deviceSetting(
  { limit, isolator }: Amount,
  { blockDevices }: Pick<HostResources, "blockDevices">,
  unit: "bps" | "iops",
): Setting | undefined {
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

/** What no cgroup limits, and why: one line each. */
export function unenforceable({ networkBandwidth }: Isolators, flavor: Flavor): string[] {
  if (networkBandwidth === undefined) return [];
  const isolator = nameIsolator(networkBandwidth, "resource/network-bandwidth");
  const why = flavor === "host"
    ? "the app is in the host's network"
    : "this stage1 shapes no traffic";
  return [`${isolator}: not enforced: ${why}`];
}

/** No amount, so there is no smaller one: the app's goes over the pod's. */
function oomScoreAdj(app: Isolators, pod: Isolators): ResourcePlan["oomScoreAdj"] {
  const adjusted = app.oomScoreAdj ?? pod.oomScoreAdj;
  return adjusted &&
    { value: adjusted.value, isolator: nameIsolator(adjusted, "os/linux/oom-score-adj") };
}

function listBlockDevices(): string[] {
  return listDirectory("/sys/block").sort()
    .map((name) => readSetting(`/sys/block/${name}/dev`))
    .filter((device) => device !== undefined);
}

function write(file: string, value: string | undefined): Write[] {
  return value === undefined ? [] : [{ file, value }];
}

function optional(writes: Write[]): Write[] {
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
