import { assertEquals } from "@std/assert";
import type { Isolators, ResourceIsolator } from "../../appc/isolators.ts";
import type { CgroupV2Level } from "../../linux/cgroup_paths.ts";
import type { DeviceRule } from "../../linux/device_rule.ts";
import { type AppResources, planPodCgroups, type PodCgroupPlan } from "./pod_cgroups.ts";
import type { HostResources } from "./resources.ts";

const NONE: Isolators = { unknown: [] };
const MIB = 1024 * 1024;
const NULL: DeviceRule = { kind: "character", major: 1, minor: 3, access: "rwm" };

const V1 = ["cpu,cpuacct", "memory", "devices", "freezer", "pids"].map((names) => ({
  controllers: names.split(","),
  directory: `/cg/${names}`,
}));
const UNIFIED: CgroupV2Level = {
  directory: "/cg/unified",
  controllers: [],
  enabled: [],
  occupied: true,
  threaded: false,
};
const HYBRID: HostResources = { cgroups: { v1: V1, v2: [UNIFIED] }, blockDevices: [] };

function v2(...levels: Partial<CgroupV2Level>[]): HostResources {
  const controllers = ["cpu", "io", "memory", "pids"];
  return {
    cgroups: {
      v1: [],
      v2: levels.map((level) => ({
        ...{ directory: "/cg", controllers, enabled: [], occupied: false, threaded: false },
        ...level,
      })),
    },
    blockDevices: ["8:0"],
  };
}

function memory(limit: number, field: string): { memory: ResourceIsolator } {
  return { memory: { limit, field } };
}

function app(name: string, isolators: Partial<Isolators> = {}, devices = [NULL]): AppResources {
  return { name, isolators: { ...NONE, ...isolators }, devices };
}

function plan(
  apps: AppResources[],
  host: HostResources,
  pod = NONE,
  processes?: number,
  showsCgroups = false,
  isMutable = false,
) {
  const request = { uuid: "1", pod, apps, host, processes, showsCgroups, isMutable };
  const { cgroups, notes } = planPodCgroups(request);
  return { plans: cgroups, notes };
}

function limits({ limits, apps }: PodCgroupPlan): string[] {
  return [
    ...limits.map(({ file, value }) => `${file} = ${value}`),
    ...apps.flatMap(({ app, limits }) =>
      limits.map(({ file, value }) => `${app}: ${file} = ${value}`)
    ),
  ];
}

Deno.test("a pod without isolators has cgroups to find its processes, and to fence devices", () => {
  const { plans, notes } = plan([app("a"), app("b")], HYBRID);
  assertEquals(plans.map(({ parent, isTrackingHierarchy }) => [parent, isTrackingHierarchy]), [
    ["/cg/devices", false],
    ["/cg/freezer", true],
  ]);
  assertEquals(limits(plans[0]!), [
    "a: devices.deny = a",
    "a: devices.allow = c 1:3 rwm",
    "b: devices.deny = a",
    "b: devices.allow = c 1:3 rwm",
  ]);
  assertEquals(limits(plans[1]!), []);
  assertEquals(notes, []);
});

Deno.test("how many processes a pod has is limited where there is a place for that", () => {
  const limited = (host: HostResources) =>
    plan([app("a")], host, NONE, 100).plans
      .filter((plan) => limits(plan).includes("pids.max = 100"))
      .map(({ parent, enable }) => [parent, enable]);
  assertEquals(limited(HYBRID), [["/cg/pids", []]]);
  assertEquals(limited(v2({}, { directory: "/cg/own" })), [["/cg/own", []]]);
});

Deno.test("what version 1 lacks is done in version 2", () => {
  const without = (...names: string[]): HostResources => ({
    ...HYBRID,
    cgroups: { v1: V1.filter(({ directory }) => !names.includes(directory)), v2: [UNIFIED] },
  });
  const summary = (host: HostResources) =>
    plan([app("a")], host).plans.map((
      { parent, isTrackingHierarchy, apps: [app] },
    ) => [parent, isTrackingHierarchy, app?.limits.length, app?.devices?.length]);
  assertEquals(summary(without("/cg/freezer")), [
    ["/cg/devices", false, 2, undefined],
    ["/cg/unified", true, 0, undefined],
  ]);
  assertEquals(summary(without("/cg/devices")), [
    ["/cg/freezer", true, 0, undefined],
    ["/cg/unified", false, 0, 1],
  ]);
});

Deno.test("the pod's isolators limit the pod, an app's the app, and no app more than the pod", () => {
  const apps = [app("a", memory(64 * MIB, "apps[0]")), app("b", memory(16 * MIB, "apps[1]"))];
  const pod = { ...NONE, ...memory(32 * MIB, "pod") };
  const { plans, notes } = plan(apps, HYBRID, pod);
  const inMemory = plans.find(({ parent }) => parent === "/cg/memory")!;
  assertEquals(limits(inMemory).filter((line) => line.includes("memory.limit_in_bytes")), [
    "memory.limit_in_bytes = 33554432",
    "a: memory.limit_in_bytes = 33554432",
    "b: memory.limit_in_bytes = 16777216",
  ]);
  assertEquals(notes, [
    "apps[0] (resource/memory): limit: pod (resource/memory) bounds 67108864 to 33554432",
  ]);
});

Deno.test("an app without a limit of its own is left to the pod's", () => {
  const { plans } = plan([app("a")], HYBRID, { ...NONE, ...memory(32 * MIB, "pod") });
  const inMemory = plans.find(({ parent }) => parent === "/cg/memory")!;
  assertEquals(inMemory.apps, [
    { app: "a", path: `${inMemory.path}/app-a`, limits: [], devices: undefined },
  ]);
});

Deno.test("the pod's share says nothing about the apps' shares of it", () => {
  const shares = (value: number, field: string) => ({ cpuShares: { value, field } });
  const { plans } = plan([app("a", shares(2048, "a"))], HYBRID, { ...NONE, ...shares(512, "pod") });
  const ofCpu = plans.find(({ parent }) => parent === "/cg/cpu,cpuacct")!;
  assertEquals(limits(ofCpu), ["cpu.shares = 512", "a: cpu.shares = 2048"]);
});

Deno.test("version 2: run leaves the cgroup that gives controllers to the pod's", () => {
  const service = v2({ enabled: ["memory"] }, { directory: "/cg/rkt.service" });
  const { plans: [inV2] } = plan([app("a", memory(MIB, "a"))], service);
  assertEquals(inV2?.parent, "/cg/rkt.service");
  assertEquals(inV2?.moveSelfOut, "/cg/rkt.service/volo-1");
  assertEquals(inV2?.enable, [{ directory: "/cg/rkt.service", controllers: ["memory"] }]);
  assertEquals(inV2?.controllers, ["memory"]);
});

Deno.test("version 2: beside others the pod goes above them, and run stays", () => {
  const session = v2({ enabled: ["memory"] }, { directory: "/cg/session", occupied: true });
  const { plans: [inV2] } = plan([app("a", memory(MIB, "a"))], session);
  assertEquals([inV2?.parent, inV2?.moveSelfOut, inV2?.enable], ["/cg", undefined, []]);
});

Deno.test("version 2: without limits nothing is enabled, and the pod is below the caller", () => {
  const session = v2({ enabled: ["memory"] }, { directory: "/cg/session", occupied: true });
  const { plans: [inV2] } = plan([app("a")], session);
  assertEquals([inV2?.parent, inV2?.moveSelfOut, inV2?.enable], ["/cg/session", undefined, []]);
  assertEquals(inV2?.controllers, []);
});

Deno.test("version 2: only what an app's limits need is given to the apps", () => {
  const pod = { ...NONE, ...memory(MIB, "pod") };
  const { plans: [inV2] } = plan([app("a")], v2({}), pod);
  assertEquals(inV2?.enable, [{ directory: "/cg", controllers: ["memory"] }]);
  assertEquals(inV2?.controllers, []);
});

Deno.test("version 2 fences devices by a program for each app", () => {
  const { plans: [inV2] } = plan([app("a"), { ...app("b"), devices: undefined }], v2({}));
  assertEquals(inV2?.apps.map(({ devices }) => devices), [[NULL], undefined]);
});

Deno.test("what no cgroup can enforce is said", () => {
  const nowhere: HostResources = { cgroups: { v1: [], v2: [] }, blockDevices: [] };
  const { plans, notes } = plan([app("a", memory(MIB, "a"))], nowhere);
  assertEquals(plans, []);
  assertEquals(notes, [
    "a (resource/memory): not enforced: no cgroup that can be reached here has the controller memory",
    "devices of the host: no cgroup that can be reached here keeps the apps from them",
  ]);
});

Deno.test("version 2: a cgroup of threads has no pod below it", () => {
  const threads = { directory: "/cg/threads", occupied: true, threaded: true };
  const below = { directory: "/cg/threads/own", occupied: true, threaded: true };
  assertEquals(plan([app("a")], v2({}, threads, below)).plans.map(({ parent }) => parent), ["/cg"]);
  assertEquals(plan([app("a")], v2(threads)).plans, []);
});

Deno.test("an app that sees its limits has the cgroups without which the JVM does not look", () => {
  const v1 = [...V1, { controllers: ["cpuset"], directory: "/cg/cpuset" }];
  const host: HostResources = { ...HYBRID, cgroups: { v1, v2: [UNIFIED] } };
  const added = (isolators: Partial<Isolators>, showsCgroups: boolean) => {
    const parents = (which: boolean) =>
      plan([app("a", isolators)], host, NONE, undefined, which).plans.map(({ parent }) => parent);
    const without = parents(false);
    return parents(showsCgroups).filter((parent) => !without.includes(parent));
  };
  const limited = memory(MIB, "apps[0]");
  assertEquals(added(limited, true), ["/cg/cpu,cpuacct", "/cg/cpuset"]);
  assertEquals(added(limited, false), []);
  assertEquals(added({}, true), []);
  assertEquals(added({ blockIops: { limit: 1, field: "apps[0]" } }, true), []);
  const { plans } = plan([app("a", limited)], host, NONE, undefined, true);
  assertEquals(
    plans.flatMap(({ parent, inherited }) => inherited.map((file) => `${parent}/${file}`)),
    ["/cg/cpuset/cpuset.cpus", "/cg/cpuset/cpuset.mems"],
  );
});

Deno.test("a pod whose apps come later has cgroups for all that they may be limited by", () => {
  const ofV1 = plan([], HYBRID, NONE, 10, true, true);
  assertEquals(ofV1.plans.map(({ path }) => path.split("/")[2]), [
    ...["cpu,cpuacct", "memory", "devices", "freezer", "pids"],
  ]);
  const ofV2 = plan([], v2({}), NONE, 10, true, true);
  assertEquals(ofV2.plans.map(({ controllers, enable }) => ({ controllers, enable })), [{
    controllers: ["memory", "cpu", "io"],
    enable: [{ directory: "/cg", controllers: ["memory", "cpu", "io"] }],
  }]);
  assertEquals([...ofV1.notes, ...ofV2.notes], []);
});

Deno.test("where a controller cannot be had for apps that come later, nothing is said yet", () => {
  const { plans, notes } = plan(
    [],
    v2({ occupied: true, enabled: ["memory"] }),
    NONE,
    10,
    true,
    true,
  );
  assertEquals(plans.map(({ controllers }) => controllers), [["memory"]]);
  assertEquals(notes, []);
});
