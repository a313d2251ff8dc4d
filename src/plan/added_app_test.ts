import { assertEquals, assertThrows } from "@std/assert";
import type { Cgroups, CgroupV2Level } from "../linux/cgroup_paths.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import type { NetworkFindings } from "../stage1/runtime_config.ts";
import { type AddedAppPlan, addedAppQuestions, planAddedApp } from "./added_app.ts";
import type { HostFacts } from "./host_facts.ts";
import { ARGUMENTS, composePod, NO_FACTS, type PodContent } from "./plan_testing.ts";
import { planPod } from "./pod.ts";

const MUTABLE = [{ name: "coreos.com/rkt/stage1/mutable", value: "true" }];
const MACHINE = `machine-rkt\\x2d${ARGUMENTS.uuid.replaceAll("-", "\\x2d")}.scope`;

const LEVEL: CgroupV2Level = {
  directory: "/cg/caller",
  controllers: ["cpu", "io", "memory", "pids"],
  enabled: ["cpu", "io", "memory", "pids"],
  occupied: false,
  threaded: false,
};
const V1: Cgroups = {
  v1: ["cpu,cpuacct", "memory", "devices", "freezer", "pids"]
    .map((names) => ({ controllers: names.split(","), directory: `/cg/${names}/caller` })),
  v2: [],
};
const V2: Cgroups = { v1: [], v2: [LEVEL] };

const NO_FINDINGS: NetworkFindings = { hostIP: undefined, hasResolvConf: false };

interface Options {
  app?: string;
  flavor?: Flavor;
  args?: Partial<RunArguments>;
  facts?: Partial<HostFacts>;
  network?: NetworkFindings;
}

/** Plans the app `web`, which has what the content says, beside another one. */
function add(content: PodContent, options: Options = {}): AddedAppPlan {
  const { app = "web", flavor = "isolated", args, facts, network = NO_FINDINGS } = options;
  const apps = content.apps ?? { other: undefined, web: undefined };
  const pod = { annotations: MUTABLE, ...content.pod };
  const run = { args: { ...ARGUMENTS, net: "none", mutable: true, ...args }, network };
  return planAddedApp(composePod({ ...content, apps, pod }), app, run, flavor, {
    ...NO_FACTS,
    cgroups: V1,
    ...facts,
  });
}

Deno.test("an app that is added has what one from the beginning has", () => {
  const image = { environment: [{ name: "A", value: "1" }], workingDirectory: "/srv" };
  const { app, notes } = add({ image });
  const pod = composePod({ image, apps: { other: undefined, web: undefined } });
  pod.apps[1]!.field = 'apps["web"]';
  const args = { ...ARGUMENTS, net: "none" };
  const { apps: [, fromBeginning] } = planPod(pod, args, "isolated", { ...NO_FACTS, cgroups: V1 });
  const withoutCgroups = ({ mounts, ...rest }: typeof app) => ({
    ...rest,
    mounts: mounts.filter(({ kind }) => kind !== "cgroup"),
  });
  assertEquals(withoutCgroups(app), withoutCgroups(fromBeginning!));
  assertEquals([app.field, notes], ['apps["web"]', []]);
});

Deno.test("only the app that is added is looked at, and errors name it by its name", () => {
  const web = { exec: [] };
  assertThrows(() => add({ apps: { other: {}, web } }), Error, 'apps["web"].app.exec');
  assertEquals(add({ apps: { other: web, web: {} } }).app.name, "web");
  assertThrows(() => add({}, { app: "none" }), Error, 'the pod has no app "none"');
});

Deno.test("nothing is asked of the host that is for the whole pod", () => {
  const pod = composePod({ apps: { web: undefined }, pod: { annotations: MUTABLE } });
  const run = { args: ARGUMENTS, network: NO_FINDINGS };
  const questions = addedAppQuestions(pod, "web", run, "isolated");
  assertEquals(questions.needsCgroups, false);
  assertEquals(questions.needsNetworkFiles, false);
});

Deno.test("in either flavor, the only app of a mutable pod has a log", () => {
  for (const flavor of ["host", "isolated"] as const) {
    const { app } = add({ apps: { web: undefined } }, { flavor });
    assertEquals(app.stdio, { stdin: "null", stdout: "log", stderr: "log" });
    assertEquals(app.log?.files, 2);
  }
});

Deno.test("what the networks have found out holds for apps that come later", () => {
  const network = { hostIP: "10.1.0.1", hasResolvConf: true };
  const { app } = add({}, { args: { mdsToken: "abc" }, network });
  assertEquals(app.environment.get("AC_METADATA_URL"), "http://10.1.0.1:18112/abc");
  assertEquals(app.mounts.at(-1)?.target, "/etc/resolv.conf");
});

const MEMORY = { name: "resource/memory", value: { limit: "32Mi" } };

const hosts: [what: string, cgroups: Cgroups, paths: string[], file: string][] = [
  [
    "version 1",
    V1,
    ["cpu,cpuacct", "memory", "devices", "freezer", "pids"].map((it) => `/cg/${it}/caller`),
    "memory.limit_in_bytes",
  ],
  ["version 2", V2, ["/cg/caller"], "memory.max"],
];

for (const [what, cgroups, parents, file] of hosts) {
  Deno.test(`an app has a cgroup of its own in each of the pod's: ${what}`, () => {
    const plan = add({ image: { isolators: [MEMORY] } }, { facts: { cgroups } });
    assertEquals(plan.cgroups.map(({ path }) => path), parents.map((it) => `${it}/${MACHINE}`));
    assertEquals(
      plan.cgroups.flatMap(({ apps }) => apps.map(({ path }) => path)),
      parents.map((parent) => `${parent}/${MACHINE}/app-web`),
    );
    const limits = plan.cgroups.flatMap(({ apps }) => apps.flatMap(({ limits }) => limits));
    const limit = limits.find((it) => it.file === file);
    assertEquals([limit?.value, limit?.isolator], [
      "33554432",
      'apps["web"].app.isolators[0] (resource/memory)',
    ]);
    // Those of the pod are as they were made.
    assertEquals(plan.cgroups.flatMap(({ limits, enable }) => [...limits, ...enable]), []);
    assertEquals(plan.notes, []);
    assertEquals(
      plan.app.mounts.flatMap((step) => step.kind === "cgroup" ? [step.source] : []).length,
      parents.length,
    );
  });
}

Deno.test("an app's limits are within the pod's, and that is said", () => {
  const isolators = [{ name: "resource/memory", value: { limit: "16Mi" } }];
  const { cgroups, notes } = add({ image: { isolators: [MEMORY] }, pod: { isolators } });
  const limits = cgroups.flatMap(({ apps }) => apps.flatMap(({ limits }) => limits));
  assertEquals(limits.find(({ file }) => file.startsWith("memory"))?.value, "16777216");
  assertEquals(notes, [
    'apps["web"].app.isolators[0] (resource/memory): limit: isolators[0] (resource/memory) bounds ' +
    "33554432 to 16777216",
  ]);
});

Deno.test("a controller that the pod's cgroup does not have is missed by name", () => {
  const cgroups = { v1: [], v2: [{ ...LEVEL, controllers: ["pids"], enabled: ["pids"] }] };
  const { notes } = add({ image: { isolators: [MEMORY] } }, { facts: { cgroups } });
  assertEquals(notes.length, 1);
  assertEquals(notes[0]?.startsWith('apps["web"].app.isolators[0] (resource/memory): not'), true);
});

Deno.test("settings of the kernel are the pod's from its beginning", () => {
  const sysctl = (entries: Record<string, string>) => ({ name: "os/unix/sysctl", value: entries });
  const ofPod = { isolators: [sysctl({ "net.core.somaxconn": "7" })] };
  const ask = (value: string) => () =>
    add({ image: { isolators: [sysctl({ "net.core.somaxconn": value })] }, pod: ofPod });
  assertEquals(ask("7")().notes, []);
  assertThrows(
    ask("8"),
    Error,
    'apps["web"].app.isolators[0] (os/unix/sysctl): net.core.somaxconn=8',
  );
});

Deno.test("what comes too late for an app that is added is said, or refused", () => {
  const notify = { name: "appc.io/executor/supports-systemd-notify", value: "true" };
  const traffic = { name: "resource/network-bandwidth", value: { default: true, limit: "1M" } };
  const { app, notes } = add({ annotations: [notify], image: { isolators: [traffic] } });
  assertEquals(app.notification, undefined);
  assertEquals(notes.map((note) => note.split(": ").slice(-2).join(": ")), [
    "ignored: the pod is ready before the app is there",
    "not enforced: the pod is in no network",
  ]);
  const ports = [{ name: "http", protocol: "tcp", port: 80, socketActivated: true }];
  const sockets = [{ fd: 3, name: "s", port: { protocol: "tcp", number: 80 } as const }];
  assertThrows(
    () => add({ image: { ports } }, { facts: { sockets } }),
    Error,
    'apps["web"].app.ports[0].socketActivated: LISTEN_FDS has no socket of tcp port 80',
  );
});

Deno.test("users and flags are those that the pod was started with", () => {
  const args = { privateUsers: "65536:100", hostname: "box", disableSeccomp: true };
  const { app } = add({}, { args });
  assertEquals(app.ids, { shift: 65536, count: 100 });
  assertEquals(app.isolators.privileges.seccomp, undefined);
  const hosts = app.mounts.find((step) => step.kind === "file" && step.target === "/etc/hosts");
  assertEquals(hosts?.kind === "file" && hosts.text.includes("box"), true);
});

Deno.test("the unread annotations of an app are noted with it, and not those of its pod", () => {
  const annotations = [...MUTABLE, { name: "stage1-volo/nothing", value: "1" }];
  const { notes } = add({
    annotations: [{ name: "stage1-volo/log-sise", value: "1" }],
    pod: { annotations },
  });
  assertEquals(notes.length, 1);
  assertEquals(notes[0]?.includes("stage1-volo/log-sise"), true);
});
