import { assertEquals, assertThrows } from "@std/assert";
import type { CgroupV2Level } from "../linux/cgroup_paths.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { HostFacts } from "./host_facts.ts";
import { ARGUMENTS, composePod, NO_FACTS, type PodContent } from "./plan_testing.ts";
import { planPod, type PodPlan, withNetwork } from "./pod.ts";

const { uuid } = ARGUMENTS;

/** The pod's cgroups as systemd spells the name of a machine. */
const MACHINE = `machine-rkt\\x2d${uuid.replaceAll("-", "\\x2d")}.scope`;

const LEVEL: CgroupV2Level = {
  directory: "/cg",
  controllers: ["cpu", "io", "memory", "pids"],
  enabled: [],
  occupied: false,
  threaded: false,
};

/** Hosts with cgroups of version 1, of version 2, and of both as systemd once had them. */
const V1 = ["cpu,cpuacct", "memory", "devices", "freezer", "pids"]
  .map((names) => ({ controllers: names.split(","), directory: `/cg/${names}/caller` }));
const V1_HOST = { v1: V1, v2: [] };
const V2_HOST = { v1: [], v2: [LEVEL, { ...LEVEL, directory: "/cg/caller" }] };
const HYBRID_HOST = {
  v1: V1,
  v2: [{ ...LEVEL, directory: "/cg/unified", controllers: [], occupied: true }],
};

const MEMORY = { name: "resource/memory", value: { limit: "32Mi" } };
const NETWORK = { name: "resource/network-bandwidth", value: { default: true, limit: "1G" } };

interface Options {
  args?: Partial<RunArguments>;
  facts?: Partial<HostFacts>;
}

function plan(content: PodContent, flavor: Flavor, { args, facts }: Options = {}): PodPlan {
  const all = { ...ARGUMENTS, ...args };
  return planPod(composePod(content), all, flavor, { ...NO_FACTS, ...facts });
}

/** Apps that have what the image says. */
function apps(...names: string[]): { apps: Record<string, undefined> } {
  return { apps: Object.fromEntries(names.map((name) => [name, undefined])) };
}

Deno.test("a pod without apps is refused", () => {
  const pod = { ...composePod({}), apps: [] };
  const act = () => planPod(pod, ARGUMENTS, "host", NO_FACTS);
  assertThrows(act, Error, "apps: the pod has none");
});

const mutable = (value: string) => [{ name: "coreos.com/rkt/stage1/mutable", value }];

Deno.test("a mutable pod begins without apps, in both flavors, and stays", () => {
  for (const flavor of ["host", "isolated"] as const) {
    const args = { net: "none", mutable: true };
    const content = { apps: {}, pod: { annotations: mutable("true") } };
    const planned = plan(content, flavor, { args, facts: { cgroups: V1_HOST } });
    assertEquals([planned.runBecomes, planned.apps], ["supervisor", []]);
    assertEquals(
      planned.notes,
      flavor === "host" ? ["--net=none: ignored: the app is in the host's network"] : [],
    );
  }
});

Deno.test("only the annotation makes a pod mutable, and it has to say yes or no", () => {
  const act = (value: string, apps = {}) => () =>
    plan({ apps, pod: { annotations: mutable(value) } }, "isolated");
  assertThrows(act("false"), Error, "apps: the pod has none");
  assertThrows(act("yes"), Error, 'annotations[0].value: "yes" is neither true nor false');
  assertThrows(act("true", { a: undefined }), Error, "apps: a mutable pod begins without");
  const { notes } = plan({}, "isolated", { args: { net: "none", mutable: true } });
  assertEquals(notes.includes("--mutable: ignored: the pod manifest does not say so"), true);
});

const eventHandlers = [{ name: "post-stop", exec: ["/bin/after"] }];

const becomes: [what: string, content: PodContent, host: string, isolated: string][] = [
  ["one app", {}, "app", "supervisor"],
  ["two apps", apps("a", "b"), "supervisor", "supervisor"],
  ["an app with a handler", { image: { eventHandlers } }, "supervisor", "supervisor"],
];

for (const [what, content, host, isolated] of becomes) {
  Deno.test(`run becomes what it has to for a pod of ${what}`, () => {
    assertEquals(plan(content, "host").runBecomes, host);
    assertEquals(plan(content, "isolated").runBecomes, isolated);
  });
}

const kinds: [what: string, args: Partial<RunArguments>, without: string[], also: string[]][] = [
  ["no flags", {}, [], []],
  ["--ipc=private", { ipc: "private" }, [], []],
  ["--ipc=parent", { ipc: "parent" }, ["ipc"], []],
  ["--net=host", { net: "host" }, ["net"], []],
  ["--net=none", { net: "none" }, [], []],
  ["--private-users", { privateUsers: "65536:10" }, [], ["user"]],
];

for (const [what, args, without, also] of kinds) {
  Deno.test(`an isolated pod has its own namespaces with ${what}`, () => {
    const { namespaces, users } = plan({}, "isolated", { args });
    const usual = ["mnt", "pid", "uts", "ipc", "cgroup", "net"];
    assertEquals(namespaces?.kinds, [
      ...usual.filter((kind) => !without.includes(kind)),
      ...also,
    ]);
    assertEquals(users, also.length > 0 ? { shift: 65536, count: 10 } : undefined);
  });

  Deno.test(`a pod in the host's namespaces has none of its own with ${what}`, () => {
    const { namespaces, users, network, sysctls, maskedPaths } = plan({}, "host", { args });
    assertEquals({ namespaces, users, network, sysctls, maskedPaths }, {
      namespaces: undefined,
      users: undefined,
      network: { kind: "host", notes: [] },
      sysctls: [],
      maskedPaths: [],
    });
  });
}

Deno.test("an isolated pod is named by its user, or by its UUID", () => {
  const name = (hostname: string) =>
    plan({}, "isolated", { args: { hostname } }).namespaces?.hostname;
  assertEquals([name("web"), name("")], ["web", `rkt-${uuid}`]);
});

Deno.test("pid 1 shows what all apps together may have, unless one may have all", () => {
  const retain = (...set: string[]) => ({
    isolators: [{ name: "os/linux/capabilities-retain-set", value: { set } }],
  });
  const of = (content: PodContent, args: Partial<RunArguments> = {}) =>
    plan(content, "isolated", { args }).namespaces?.capabilities;
  const two = { apps: { a: retain("CAP_KILL"), b: retain("CAP_CHOWN", "CAP_KILL") } };
  assertEquals(of(two), ["CAP_KILL", "CAP_CHOWN"]);
  assertEquals(of(two, { disableCapabilities: true }), undefined);
  assertEquals(of({})?.length, 14);
});

/** The cgroups that a plan names: of the pod, and of its apps. */
function pathsOf({ cgroups }: PodPlan): string[] {
  return cgroups.flatMap((cgroup) => [
    cgroup.path,
    ...("apps" in cgroup ? cgroup.apps.map(({ path }) => path) : []),
  ]);
}

const places: [host: string, cgroups: HostFacts["cgroups"], single: string[], two: string[]][] = [
  ["v1", V1_HOST, ["/cg/memory/caller"], ["/cg/memory/caller", "/cg/freezer/caller"]],
  ["v2", V2_HOST, ["/cg/caller"], ["/cg/caller"]],
  ["hybrid", HYBRID_HOST, ["/cg/memory/caller"], ["/cg/memory/caller", "/cg/freezer/caller"]],
];

for (const [host, cgroups, single, two] of places) {
  Deno.test(`cgroups are where a host with ${host} has a place for them`, () => {
    const image = { isolators: [MEMORY] };
    assertEquals(
      pathsOf(plan({ image }, "host", { facts: { cgroups } })),
      single.map((directory) => `${directory}/volo-${uuid}`),
    );
    assertEquals(
      pathsOf(plan({ image, ...apps("a", "b") }, "host", { facts: { cgroups } })),
      two.flatMap((directory) =>
        ["", "/app-a", "/app-b"].map((app) => `${directory}/${MACHINE}${app}`)
      ),
    );
  });
}

Deno.test("the processes of an isolated pod are counted, those of others are not", () => {
  const limits = (flavor: Flavor) =>
    plan(apps("a", "b"), flavor, { facts: { cgroups: V1_HOST } }).cgroups
      .flatMap(({ limits }) => limits.map(({ file, value }) => `${file} = ${value}`));
  assertEquals(limits("isolated"), ["pids.max = 16384"]);
  assertEquals(limits("host"), []);
});

Deno.test("the pod's bounds are in the cgroup of its only app, or in one above several", () => {
  const isolators = [{ name: "resource/memory", value: { limit: "16Mi" } }];
  const content = { image: { isolators: [MEMORY] }, pod: { isolators } };
  const maximum = (plan: PodPlan) =>
    plan.cgroups.map(({ limits }) =>
      limits.find(({ file }) => file === "memory.limit_in_bytes")?.value
    );
  const facts = { cgroups: V1_HOST };
  assertEquals(maximum(plan(content, "host", { facts })), ["16777216"]);
  const several = plan({ ...content, ...apps("a", "b") }, "host", { facts });
  assertEquals(maximum(several), ["16777216", undefined]);
});

Deno.test("where no cgroup can have a limit, that is said once of each isolator", () => {
  const { cgroups, notes } = plan({ image: { isolators: [MEMORY] } }, "host");
  assertEquals(cgroups, []);
  assertEquals(notes, [
    "apps[0].app.isolators[0] (resource/memory): not enforced: " +
    "no cgroup that can be reached here has the controller memory",
  ]);
});

for (const flavor of ["host", "isolated"] as const) {
  const why = flavor === "host"
    ? "the app is in the host's network"
    : 'this host has no plugin "bandwidth" that shapes traffic';

  Deno.test(`a pod's limit of traffic has one line for two apps, ${flavor}`, () => {
    const { notes } = plan({ ...apps("a", "b"), pod: { isolators: [NETWORK] } }, flavor);
    const devices =
      "devices of the host: no cgroup that can be reached here keeps the apps from them";
    assertEquals(notes.filter((note) => note !== devices), [
      `isolators[0] (resource/network-bandwidth): not enforced: ${why}`,
    ]);
  });

  Deno.test(`an image's limit of traffic is said once for each app, ${flavor}`, () => {
    const { notes } = plan({ ...apps("a", "b"), image: { isolators: [NETWORK] } }, flavor);
    assertEquals(notes.filter((note) => note.includes("network-bandwidth")), [
      `apps[0].app.isolators[0] (resource/network-bandwidth): not enforced: ${why}`,
      `apps[1].app.isolators[0] (resource/network-bandwidth): not enforced: ${why}`,
    ]);
  });

  Deno.test(`no line is said twice, ${flavor}`, () => {
    const isolators = [
      ...["example.com/a", "example.com/a"].map((name) => ({ name, value: 1 })),
      { name: "resource/memory", value: { request: "1Mi", limit: "2Mi" } },
      { name: "resource/cpu", value: { request: "100m", limit: "1" } },
      NETWORK,
    ];
    const content = { ...apps("a", "b"), image: { isolators }, pod: { isolators } };
    const { notes } = plan(content, flavor);
    assertEquals(notes.toSorted(), [...new Set(notes)].toSorted());
    assertEquals(notes.filter((note) => note.startsWith("isolators[0] ")), [
      "isolators[0] (example.com/a): ignored: not in the spec",
    ]);
  });
}

Deno.test("flags that the host's namespaces do not have are told there alone", () => {
  const args = { net: "none", hostname: "web", ipc: "private" } as const;
  const told = (flavor: Flavor) =>
    plan({}, flavor, { args }).notes.filter((note) => note.startsWith("--"));
  assertEquals(told("host").map((note) => note.split(":")[0]), [
    "--net=none",
    "--hostname=web",
    "--ipc=private",
  ]);
  assertEquals(told("isolated"), []);
});

Deno.test("a setting that is in no namespace of the pod's has to be so already", () => {
  const isolators = [{ name: "os/unix/sysctl", value: { "kernel.msgmax": "4096" } }];
  const content = { pod: { isolators } };
  const set = (args: Partial<RunArguments>, sysctls: [string, string][] = []) =>
    plan(content, "isolated", { args, facts: { sysctls: new Map(sysctls) } }).sysctls
      .map(({ path, value }) => `${path} = ${value}`);
  assertEquals(set({}), ["/proc/sys/kernel/msgmax = 4096"]);
  assertEquals(set({ ipc: "parent" }, [["kernel.msgmax", "4096"]]), []);
  assertThrows(
    () => set({ ipc: "parent" }, [["kernel.msgmax", "8192"]]),
    Error,
    'isolators[0] (os/unix/sysctl): kernel.msgmax=4096 cannot be had: it is "8192" on this host',
  );
});

Deno.test("ports lead to a pod with a network; in the host's they are ignored", () => {
  const content: PodContent = {
    image: { ports: [{ name: "http", protocol: "tcp", port: 80 }] },
    pod: { ports: [{ name: "http", hostPort: 8080 }] },
  };
  const types = ({ network }: PodPlan) =>
    network.kind === "contained"
      ? network.networks.flatMap(({ calls }) => calls.map(({ type }) => type))
      : network.kind;
  const note =
    "ports[0] (http): ignored: the app is in the host's network, and has its own ports there";
  assertEquals(types(plan(content, "isolated")), ["ptp", "portmap"]);
  for (const  of of[plan(content, "host"), plan(content, "isolated", { args: { net: "host" } })]) {
    assertEquals([types(of), of.notes.filter((it) => it.startsWith("ports"))], ["host", [note]]);
  }
  const { message, cause } = assertThrows(
    () => plan(content, "isolated", { args: { net: "none" } }),
    Error,
  );
  assertEquals([message, (cause as Error).message], [
    "stage1: failed to setup network",
    "ports: --net=none: there is no way to a pod without a network",
  ]);
});

Deno.test("the kernel's paths are protected once, in the pod's own root or in each app's", () => {
  const protect = { annotations: [{ name: "stage1-volo/protect-kernel-paths", value: "true" }] };
  const masks = (flavor: Flavor, pod: object, args: Partial<RunArguments> = {}) => {
    const { maskedPaths, apps: [app] } = plan({ pod }, flavor, { args });
    const ofApp = app!.mounts.filter(({ kind }) => kind === "mask");
    return [maskedPaths.length > 0, ofApp.length > 0];
  };
  assertEquals(masks("isolated", {}), [true, false]);
  assertEquals(masks("isolated", {}, { disablePaths: true }), [false, false]);
  assertEquals(masks("host", {}), [false, false]);
  assertEquals(masks("host", protect), [false, true]);
});

Deno.test("what plugins find out completes the plan, and changes nothing else of it", () => {
  const before = plan({}, "isolated", { args: { mdsToken: "token" } });
  const url = (it: PodPlan) => it.apps[0]!.environment.get("AC_METADATA_URL");
  const after = withNetwork(before, { hostIP: "172.16.28.1", hasResolvConf: true });
  assertEquals(url(before), "http://127.0.0.1:18112/token");
  assertEquals(url(after), "http://172.16.28.1:18112/token");
  const [app] = after.apps;
  const added = app!.mounts.slice(before.apps[0]!.mounts.length);
  assertEquals(added.map(({ kind, target }) => [kind, target]), [["bind", "/etc/resolv.conf"]]);
  const environment = before.apps[0]!.environment;
  const undone = { ...app!, environment, mounts: app!.mounts.slice(0, -1) };
  assertEquals({ ...after, apps: [undone] }, before);
});

Deno.test("a plan without findings stays as it is, and needs no metadata service", () => {
  const before = plan({}, "isolated");
  const after = withNetwork(before, { hostIP: "172.16.28.1", hasResolvConf: false });
  assertEquals(after, before);
});

const CALLERS = {
  terminal: { stdin: "terminal", stdout: "terminal", stderr: "terminal" },
  pipes: { stdin: "pipe", stdout: "pipe", stderr: "file" },
} as const;

/** What each stream leads to, and the app's TERM. */
type Streams = [targets: string, term: string | undefined];

const streams: [
  what: string,
  flavor: Flavor,
  names: string[],
  interactive: boolean,
  callers: keyof typeof CALLERS,
  expected: Streams,
][] = [
  ["one app of the host's", "host", ["a"], false, "terminal", ["caller caller caller", "xterm"]],
  ["one app of the host's", "host", ["a"], false, "pipes", ["caller caller caller", undefined]],
  ["two apps of the host's", "host", ["a", "b"], false, "terminal", ["null log log", undefined]],
  ["an isolated app", "isolated", ["a"], false, "terminal", ["null log log", undefined]],
  ["an isolated app", "isolated", ["a"], true, "terminal", ["console console console", "xterm"]],
  ["an isolated app", "isolated", ["a"], true, "pipes", ["caller caller log", undefined]],
];

for (const [what, flavor, names, interactive, callers, expected] of streams) {
  const how = `${interactive ? "--interactive, " : ""}the caller's ${callers}`;
  Deno.test(`the streams and TERM of ${what} are decided with ${how}`, () => {
    const facts = { callerStreams: CALLERS[callers], terminalType: "xterm" };
    const planned = plan(apps(...names), flavor, { args: { interactive }, facts }).apps;
    const found = planned.map(({ stdio, terminalType }): Streams => [
      `${stdio.stdin} ${stdio.stdout} ${stdio.stderr}`,
      terminalType,
    ]);
    assertEquals(found, names.map(() => expected));
  });
}

/** Makes what is in a value, and all below it, unchangeable; `Map`s excepted. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  Object.values(value).forEach(freeze);
  return value;
}

for (const flavor of ["host", "isolated"] as const) {
  Deno.test(`planning keeps nothing and changes none of its arguments, ${flavor}`, () => {
    const isolators = [
      MEMORY,
      NETWORK,
      { name: "os/linux/seccomp-retain-set", value: { set: ["@docker/default-whitelist"] } },
      { name: "os/linux/capabilities-remove-set", value: { set: ["CAP_MKNOD"] } },
    ];
    const content: PodContent = {
      ...apps("a", "b"),
      image: { isolators, eventHandlers, mountPoints: [{ name: "data", path: "/data" }] },
      pod: { isolators: [MEMORY], volumes: [{ name: "data", kind: "empty" }] },
    };
    const pod = freeze(composePod(content));
    const args = freeze({ ...ARGUMENTS, mdsToken: "token" });
    const facts = freeze({ ...NO_FACTS, cgroups: HYBRID_HOST });
    const first = planPod(pod, args, flavor, facts);
    const kept = structuredClone(first);
    withNetwork(first, { hostIP: "192.0.2.1", hasResolvConf: true });
    first.apps[0]!.environment.set("CHANGED", "1");
    first.apps[0]!.isolators.privileges.capabilities?.keep.push("CAP_SYS_ADMIN");
    first.apps[1]!.mounts.pop();
    assertEquals(planPod(pod, args, flavor, facts), kept);
  });
}
