/**
 * Compares what `explain` says of a pod's cgroups with the kernel's files, at the paths that it
 * names.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { CgroupLimit } from "../../src/plan/cgroup/placement.ts";
import type { Seen } from "./seen.ts";

/** A cgroup that the plan names, what it is limited to, and a process that has to be in it. */
interface PlannedCgroup {
  path: string;
  limits: readonly CgroupLimit[];
  pid: number | undefined;
}

/** Checks that each process is in the cgroups that the plan names, and in no other of the pod's. */
export function agreeOnCgroups(seen: Seen): void {
  for (const { path, pid } of cgroupsOf(seen)) {
    if (pid === undefined) continue;
    const pids = Deno.readTextFileSync(`${path}/cgroup.procs`).trim().split("\n");
    assert(pids.includes(`${pid}`), `${pid} is not in ${path}`);
  }
  const uuid = [seen.pod.uuid, seen.pod.uuid.replaceAll("-", "\\x2d")];
  for (const { pid } of seen.apps) {
    const ofPod = Deno.readTextFileSync(`/proc/${pid}/cgroup`).split("\n")
      .filter((line) => uuid.some((it) => line.includes(it)));
    assertEquals(ofPod.length, seen.plan.cgroups.length, ofPod.join("\n"));
  }
}

/** Checks that the limits that an isolator asks for are in force. */
export function agreeOnLimits(seen: Seen, isolator: string): void {
  const limits = cgroupsOf(seen).flatMap(({ path, limits }) =>
    limits.filter((limit) => limit.isolator.includes(isolator)).map((limit) => ({ path, limit }))
  );
  assert(limits.length > 0, `no limit is ${isolator}'s`);
  for (const { path, limit } of limits) assertLimit(path, limit);
}

/** Checks that an app can use the devices of the plan and no others; version 1 alone tells. */
export function agreeOnDevices(seen: Seen): void {
  const restricted = cgroupsOf(seen)
    .filter(({ limits }) => limits.some(({ file }) => file === "devices.deny"));
  for (const { path, limits } of restricted) {
    const allowed = limits.filter(({ file }) => file === "devices.allow")
      .map(({ value }) => value);
    const listed = Deno.readTextFileSync(`${path}/devices.list`).trim().split("\n");
    assertEquals(listed.toSorted(), allowed.toSorted());
  }
}

function cgroupsOf({ plan, apps, first }: Seen): PlannedCgroup[] {
  if (plan.runBecomes === "app") {
    return plan.cgroups.map(({ path, limits }) => ({ path, limits, pid: apps[0]!.pid }));
  }
  return plan.cgroups.flatMap(({ version, path, limits, apps: ofApps }) => [
    { path, limits, pid: version === 1 ? first : undefined },
    ...ofApps.map((it) => ({
      path: it.path,
      limits: it.limits,
      pid: apps.find(({ plan }) => plan.name === it.app)!.pid,
    })),
  ]);
}

/** A file of the kernel's has one value, or a line for each device. */
function assertLimit(path: string, { file, value, optional }: CgroupLimit): void {
  if (/^devices\./.test(file)) return;
  const text = read(`${path}/${file}`);
  if (text === undefined) return assert(optional, `there is no ${path}/${file}`);
  if (!/^\d+:\d+ /.test(value)) return assertEquals(text, value, `${path}/${file}`);
  const [device, ...parts] = value.split(" ");
  const line = text.split("\n").find((it) => it.startsWith(`${device} `));
  for (const part of parts) assert(line?.split(" ").includes(part), `${path}/${file}: ${value}`);
}

function read(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
