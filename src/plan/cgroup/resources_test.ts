import { assertEquals, assertThrows } from "@std/assert";
import type { Isolators, ResourceIsolator } from "../../appc/isolators.ts";
import type { CgroupV2Level } from "../../linux/cgroup_paths.ts";
import { describeCgroup } from "../describe_steps.ts";
import { planOwnCgroups } from "./own_cgroups.ts";
import { cpuQuota, type HostResources, planOomScore } from "./resources.ts";

const NONE: Isolators = { unknown: [] };
const MIB = 1024 * 1024;
const CONTROLLERS = ["cpuset", "cpu", "io", "memory", "pids"];

/** A host of version 1, as `/sys/fs/cgroup/cpu,cpuacct` and so on. */
const V1: HostResources = {
  cgroups: {
    v1: [
      { controllers: ["cpu", "cpuacct"], directory: "/cg/cpu/caller" },
      { controllers: ["memory"], directory: "/cg/memory/caller" },
      { controllers: ["blkio"], directory: "/cg/blkio" },
    ],
    v2: [],
  },
  blockDevices: ["8:0"],
};

function level(directory: string, fields: Partial<CgroupV2Level> = {}): CgroupV2Level {
  return {
    ...{ directory, controllers: CONTROLLERS, enabled: [], occupied: false, threaded: false },
    ...fields,
  };
}

function v2(...levels: CgroupV2Level[]): HostResources {
  return { cgroups: { v1: [], v2: levels }, blockDevices: ["8:0", "254:0"] };
}

/** A service that is alone in its cgroup, as systemd would start rkt. */
const SERVICE = v2(
  level("/cg", { enabled: ["memory", "pids"] }),
  level("/cg/system.slice", { enabled: ["memory", "pids"] }),
  level("/cg/system.slice/pod.service", { controllers: ["memory", "pids"] }),
);

function resource(amounts: Omit<ResourceIsolator, "field">, field = "app"): ResourceIsolator {
  return { ...amounts, field };
}

/** The cgroups of a `run` that becomes its app. */
function planResources(app: Isolators, pod: Isolators, host: HostResources) {
  return planOwnCgroups("1", app, pod, host);
}

function limits(app: Isolators, host: HostResources, pod = NONE): string[] {
  return planResources(app, pod, host).cgroups.flatMap((cgroup) =>
    cgroup.limits.map(({ file, value }) => `${cgroup.parent}: ${file} = ${value}`)
  );
}

const APP: Isolators = {
  unknown: [],
  memory: resource({ request: 32 * MIB, limit: 64 * MIB }),
  cpu: resource({ request: 250, limit: 500 }),
};

Deno.test("version 1: each controller has a cgroup below the caller's own", () => {
  assertEquals(limits(APP, V1), [
    "/cg/memory/caller: memory.limit_in_bytes = 67108864",
    "/cg/memory/caller: memory.memsw.limit_in_bytes = 67108864",
    "/cg/memory/caller: memory.kmem.tcp.limit_in_bytes = 67108864",
    "/cg/memory/caller: memory.soft_limit_in_bytes = 33554432",
    "/cg/cpu/caller: cpu.cfs_period_us = 100000",
    "/cg/cpu/caller: cpu.cfs_quota_us = 50000",
    "/cg/cpu/caller: cpu.shares = 256",
  ]);
});

Deno.test("version 2: a caller alone in its cgroup has the pod below it", () => {
  assertEquals(planResources(APP, NONE, SERVICE), {
    cgroups: [{
      parent: "/cg/system.slice/pod.service",
      path: "/cg/system.slice/pod.service/volo-1",
      enable: [
        { directory: "/cg", controllers: ["cpu"] },
        { directory: "/cg/system.slice", controllers: ["cpu"] },
        { directory: "/cg/system.slice/pod.service", controllers: ["memory", "cpu"] },
      ],
      limits: [
        { file: "memory.max", value: "67108864", isolator: "app (resource/memory)" },
        { file: "memory.swap.max", value: "0", optional: true, isolator: "app (resource/memory)" },
        { file: "memory.low", value: "33554432", isolator: "app (resource/memory)" },
        { file: "cpu.max", value: "50000 100000", isolator: "app (resource/cpu)" },
        { file: "cpu.weight", value: "25", isolator: "app (resource/cpu)" },
      ],
    }],
    notes: [],
  });
});

Deno.test("version 2: a caller among others has the pod beside it", () => {
  const session = v2(
    level("/cg", { enabled: CONTROLLERS }),
    level("/cg/user.slice", { enabled: ["memory"] }),
    level("/cg/user.slice/session.scope", { occupied: true }),
  );
  const [plan] = planResources(APP, NONE, session).cgroups;
  assertEquals(plan?.parent, "/cg/user.slice");
  assertEquals(plan?.enable, [{ directory: "/cg/user.slice", controllers: ["cpu"] }]);
});

Deno.test("version 2: an occupied cgroup on the way ends the way, unless it has the controllers", () => {
  const blocked = v2(level("/cg"), level("/cg/a", { occupied: true }), level("/cg/a/b"));
  assertEquals(planResources(APP, NONE, blocked).cgroups[0]?.parent, "/cg");
  const open = v2(
    level("/cg"),
    level("/cg/a", { occupied: true, enabled: ["cpu", "memory"] }),
    level("/cg/a/b"),
  );
  assertEquals(planResources(APP, NONE, open).cgroups[0]?.parent, "/cg/a/b");
});

Deno.test("version 2: what no cgroup can have is said by its path, and the rest is done", () => {
  const { cgroups, notes } = planResources(
    APP,
    NONE,
    v2(level("/cg", { controllers: ["memory"] })),
  );
  assertEquals(
    notes,
    [
      "app (resource/cpu): not enforced: no cgroup that can be reached here has the controller cpu",
      "app (resource/cpu): not enforced: no cgroup that can be reached here has the controller cpu",
    ].slice(0, 1),
  );
  assertEquals(cgroups[0]?.limits.map(({ file }) => file), [
    "memory.max",
    "memory.swap.max",
    "memory.low",
  ]);
});

Deno.test("version 2: a container whose top cgroup is occupied says so", () => {
  const { cgroups, notes } = planResources(
    { unknown: [], memory: resource({ limit: MIB }) },
    NONE,
    v2(level("/cg", { occupied: true })),
  );
  assertEquals(cgroups, []);
  assertEquals(notes, [
    "app (resource/memory): not enforced: other processes in /cg keep its controller memory from " +
    "cgroups below",
  ]);
});

Deno.test("hybrid: a controller is used where it is", () => {
  const host: HostResources = {
    cgroups: {
      v1: [{ controllers: ["memory"], directory: "/cg/memory" }],
      v2: [level("/cg/unified", { controllers: ["cpu"] })],
    },
    blockDevices: [],
  };
  assertEquals(planResources(APP, NONE, host).cgroups.map(({ parent }) => parent), [
    "/cg/memory",
    "/cg/unified",
  ]);
});

Deno.test("a host without cgroups: all is said, nothing is done", () => {
  const { cgroups, notes } = planResources(APP, NONE, {
    cgroups: { v1: [], v2: [] },
    blockDevices: [],
  });
  assertEquals(cgroups, []);
  assertEquals(notes.map((note) => note.split(": ")[0]), [
    "app (resource/memory)",
    "app (resource/cpu)",
  ]);
});

Deno.test("the pod's isolators bound the app's, which is said", () => {
  const pod: Isolators = {
    unknown: [],
    memory: resource({ limit: 32 * MIB }, "pod"),
    cpu: resource({ limit: 1000 }, "pod"),
  };
  const app: Isolators = {
    unknown: [],
    memory: resource({ limit: 64 * MIB }),
    cpu: resource({ limit: 500 }),
  };
  const { cgroups, notes } = planResources(app, pod, V1);
  assertEquals(notes, [
    `app (resource/memory): limit: pod (resource/memory) bounds ${64 * MIB} to ${32 * MIB}`,
  ]);
  assertEquals(cgroups[0]?.limits.map(({ value }) => value), Array(4).fill(`${32 * MIB}`));
  assertEquals(cgroups[0]?.limits[0]?.isolator, "pod (resource/memory)");
  assertEquals(cgroups[1]?.limits.map(({ value }) => value), ["100000", "50000", "512"]);
});

Deno.test("the pod's isolators are the app's where it has none", () => {
  const pod: Isolators = { unknown: [], memory: resource({ request: MIB }, "pod") };
  assertEquals(limits(NONE, V1, pod), [
    "/cg/memory/caller: memory.soft_limit_in_bytes = 1048576",
  ]);
});

Deno.test("a request that is left out is the limit, and none is more than that", () => {
  const low = (amounts: Omit<ResourceIsolator, "field">) =>
    limits({ unknown: [], memory: resource(amounts) }, SERVICE).at(-1);
  const expected = "/cg/system.slice/pod.service: memory.low = 1048576";
  assertEquals(low({ limit: MIB }), expected);
  assertEquals(low({ limit: MIB, request: 2 * MIB }), expected);
});

Deno.test("shares go over a request, and the smaller ones of app and pod count", () => {
  const app: Isolators = { ...APP, cpuShares: { field: "app", value: 2048 } };
  const pod: Isolators = { unknown: [], cpuShares: { field: "pod", value: 1024 } };
  const weight = (host: HostResources) => limits(app, host, pod).at(-1)?.split(": ")[1];
  assertEquals(weight(V1), "cpu.shares = 1024");
  assertEquals(weight(SERVICE), "cpu.weight = 100");
  assertEquals(planResources(app, pod, V1).notes, [
    "app (resource/cpu): request: not applied: pod (os/linux/cpu-shares) says the app's share",
  ]);
});

Deno.test("an app that would get nothing is refused", () => {
  const app = { unknown: [], memory: resource({ limit: 0 }) };
  assertThrows(() => planResources(app, NONE, V1), Error, "app (resource/memory): limit");
});

Deno.test("shares and weights stay within what the kernel takes", () => {
  const app = { unknown: [], cpu: resource({ request: 1 }) };
  assertEquals(limits(app, V1), ["/cg/cpu/caller: cpu.shares = 2"]);
  assertEquals(limits(app, SERVICE).at(-1)?.split(": ")[1], "cpu.weight = 1");
});

Deno.test("every quota is one that the kernel takes", () => {
  for (const millicores of [1, 9, 10, 333, 64_000]) {
    const { quota, period } = cpuQuota(millicores);
    assertEquals(quota >= 1000 && period <= 1_000_000, true, `${millicores}`);
    assertEquals(quota / period, millicores / 1000);
  }
});

Deno.test("large numbers are written in digits, and as far as the kernel counts", () => {
  const app = { unknown: [], memory: resource({ limit: 2 ** 70 }) };
  assertEquals(limits(app, V1)[0]?.split(" = ")[1], "9223372036854774784");
});

Deno.test("block devices are limited one by one, in both directions", () => {
  const app: Isolators = {
    unknown: [],
    blockBandwidth: resource({ limit: 2_000_000 }, "bps"),
    blockIops: resource({ limit: 1000 }, "iops"),
  };
  assertEquals(limits(app, V1), [
    "/cg/blkio: blkio.throttle.read_bps_device = 8:0 2000000",
    "/cg/blkio: blkio.throttle.write_bps_device = 8:0 2000000",
    "/cg/blkio: blkio.throttle.read_iops_device = 8:0 1000",
    "/cg/blkio: blkio.throttle.write_iops_device = 8:0 1000",
  ]);
  assertEquals(limits(app, v2(level("/cg"))), [
    "/cg: io.max = 8:0 rbps=2000000 wbps=2000000",
    "/cg: io.max = 254:0 rbps=2000000 wbps=2000000",
    "/cg: io.max = 8:0 riops=1000 wiops=1000",
    "/cg: io.max = 254:0 riops=1000 wiops=1000",
  ]);
});

Deno.test("writes through the page cache count where version 2 has memory, and it is said if not", () => {
  const app: Isolators = { unknown: [], blockBandwidth: resource({ limit: 1 }) };
  const uncounted = [
    "app (resource/block-bandwidth): writes that the page cache takes are not limited: whose they are " +
    "is known only to cgroup v2 with its memory controller",
  ];
  const memory = planResources(app, NONE, v2(level("/cg")));
  assertEquals(memory.cgroups[0]?.enable, [{ directory: "/cg", controllers: ["io", "memory"] }]);
  assertEquals(memory.notes, []);

  const container = planResources(app, NONE, v2(level("/cg", { enabled: ["io"], occupied: true })));
  assertEquals(container.cgroups.map(({ parent, enable }) => [parent, enable]), [["/cg", []]]);
  assertEquals(container.notes, uncounted);
  assertEquals(planResources(app, NONE, V1).notes, uncounted);
});

Deno.test("the app's oom_score_adj goes over the pod's", () => {
  const pod: Isolators = { unknown: [], oomScoreAdj: { field: "pod", value: -5 } };
  const app: Isolators = { unknown: [], oomScoreAdj: { field: "app", value: 500 } };
  const adjusted = (of: Isolators) => planOomScore(of, pod);
  assertEquals(adjusted(app), { value: 500, isolator: "app (os/linux/oom-score-adj)" });
  assertEquals(adjusted(NONE), { value: -5, isolator: "pod (os/linux/oom-score-adj)" });
});

Deno.test("describeCgroup() says what is done, in order", () => {
  assertEquals(planResources(APP, NONE, SERVICE).cgroups.flatMap(describeCgroup), [
    "make cgroup /cg/system.slice/pod.service/volo-1",
    "  move run into it",
    "  enable cpu in /cg",
    "  enable cpu in /cg/system.slice",
    "  enable memory, cpu in /cg/system.slice/pod.service",
    "  memory.max = 67108864",
    "  memory.swap.max = 0",
    "  memory.low = 33554432",
    "  cpu.max = 50000 100000",
    "  cpu.weight = 25",
  ]);
});
