import { assertEquals, assertThrows } from "@std/assert";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Flavor } from "../stage1/flavor.ts";
import { type HostQuestions, planQuestions } from "./host_facts.ts";
import { ARGUMENTS, composePod, type PodContent } from "./plan_testing.ts";

const NOTHING: HostQuestions = {
  sources: [],
  needsCgroups: false,
  needsBlockDevices: false,
  sysctls: [],
  securityModules: { selinux: false, apparmor: false },
  roots: [],
  needsNetworkFiles: false,
  needsBandwidthPlugin: false,
};

/** An isolated pod always has cgroups, by which its processes are found. */
const ISOLATED = { ...NOTHING, needsCgroups: true };

function ask(
  content: PodContent,
  flavor: Flavor = "host",
  args: Partial<RunArguments> = {},
): HostQuestions {
  return planQuestions(composePod(content), { ...ARGUMENTS, ...args }, flavor);
}

Deno.test("nothing of the host has to be known for a plain pod in its namespaces", () => {
  assertEquals(ask({}), NOTHING);
});

Deno.test("flags that have no effect in the host's namespaces ask for nothing there", () => {
  const args = { net: "none", privateUsers: "65536:10", hostname: "web", ipc: "private" } as const;
  assertEquals(ask({}, "host", args), NOTHING);
});

Deno.test("a pod that run stays with has cgroups, whatever it asks for", () => {
  const eventHandlers = [{ name: "pre-start", exec: ["/bin/before"] }];
  assertEquals(ask({ apps: { a: undefined, b: undefined } }), ISOLATED);
  assertEquals(ask({ image: { eventHandlers } }), ISOLATED);
  assertEquals(ask({}, "isolated", { net: "none" }), { ...ISOLATED, needsNetworkFiles: true });
});

const MODULES = { selinux: false, apparmor: false };
const DISKS = { needsCgroups: true, needsBlockDevices: true };

const isolators: [name: string, value: unknown, needed: Partial<HostQuestions>][] = [
  ["resource/memory", { limit: "1Gi" }, { needsCgroups: true }],
  ["resource/cpu", { limit: "1" }, { needsCgroups: true }],
  ["os/linux/cpu-shares", 512, { needsCgroups: true }],
  ["resource/block-bandwidth", { default: true, limit: "1M" }, DISKS],
  ["resource/block-iops", { default: true, limit: "100" }, DISKS],
  ["resource/network-bandwidth", { default: true, limit: "1G" }, {}],
  ["os/linux/oom-score-adj", 100, {}],
  ["os/linux/no-new-privileges", true, {}],
  ["os/linux/capabilities-retain-set", { set: ["CAP_KILL"] }, {}],
  ["os/linux/seccomp-remove-set", { set: ["reboot"] }, {}],
  ["os/linux/apparmor-profile", { profile: "a" }, {
    securityModules: { ...MODULES, apparmor: true },
  }],
  ["os/linux/selinux-context", { user: "u", role: "r", type: "t", level: "s0" }, {
    securityModules: { ...MODULES, selinux: true },
  }],
  ["example.com/unknown", 1, {}],
];

for (const [name, value, needed] of isolators) {
  Deno.test(`${name} asks for what it needs, of an app and of a pod`, () => {
    const list = [{ name, value }];
    assertEquals(ask({ image: { isolators: list } }), { ...NOTHING, ...needed });
    assertEquals(ask({ pod: { isolators: list } }), { ...NOTHING, ...needed });
  });
}

Deno.test("a limit of traffic asks for the plugin where the pod has a network of its own", () => {
  const isolators = [{ name: "resource/network-bandwidth", value: { default: true, limit: "1G" } }];
  const isAsked = (args: Partial<RunArguments>) =>
    ask({ pod: { isolators } }, "isolated", args).needsBandwidthPlugin;
  assertEquals([isAsked({}), isAsked({ net: "host" })], [true, false]);
});

const SETTINGS = { "net.core.somaxconn": "77", "kernel.msgmax": "1", "vm.swappiness": "60" };

const shared: [what: string, flavor: Flavor, args: Partial<RunArguments>, names: string[]][] = [
  ["the host's namespaces", "host", {}, Object.keys(SETTINGS)],
  ["namespaces of its own", "isolated", {}, ["vm.swappiness"]],
  ["--net=host", "isolated", { net: "host" }, ["net.core.somaxconn", "vm.swappiness"]],
  ["--ipc=parent", "isolated", { ipc: "parent" }, ["kernel.msgmax", "vm.swappiness"]],
];

for (const [what, flavor, args, names] of shared) {
  Deno.test(`with ${what} a pod asks for the settings that it shares`, () => {
    const pod = { isolators: [{ name: "os/unix/sysctl", value: SETTINGS }] };
    const { sysctls } = ask({ pod }, flavor, args);
    assertEquals(
      sysctls,
      names.map((name) => ({
        name,
        path: `/proc/sys/${name.replaceAll(".", "/")}`,
        field: "isolators[0] (os/unix/sysctl)",
      })),
    );
  });
}

Deno.test("the sources of the volumes that an app has are asked for, and no others", () => {
  const content: PodContent = {
    image: { mountPoints: [{ name: "data", path: "/data" }, { name: "own", path: "/own" }] },
    pod: {
      volumes: [
        { name: "data", kind: "host", source: "/srv" },
        { name: "own", kind: "empty" },
        { name: "unused", kind: "host", source: "/opt" },
      ],
    },
  };
  const { sources } = ask(content);
  assertEquals(sources.map(({ path }) => path), ["/srv"]);
  assertEquals(sources.map(({ field }) => field), ["apps[0].app.mountPoints[0]"]);
});

Deno.test("a mount point without a volume is refused before anything is looked at", () => {
  const content = { image: { mountPoints: [{ name: "data", path: "/data" }] } };
  assertThrows(() => ask(content), Error, "apps[0].app.mountPoints[0]: missing volume");
  assertEquals(ask(content, "isolated").sources, []);
});

Deno.test("who owns the apps' files matters to a pod with users of its own", () => {
  const { roots } = ask({ apps: { a: undefined, b: undefined } }, "isolated", {
    privateUsers: "65536:10",
  });
  assertEquals(roots, [
    { app: "a", rootfs: "stage1/rootfs/opt/stage2/a/rootfs", field: "apps[0]" },
    { app: "b", rootfs: "stage1/rootfs/opt/stage2/b/rootfs", field: "apps[1]" },
  ]);
});

Deno.test("configurations of networks matter to a pod with a network of its own", () => {
  const needs = (net: string) => ask({}, "isolated", { net }).needsNetworkFiles;
  assertEquals(["default", "lan,wan", "host"].map(needs), [true, true, false]);
});

Deno.test("asking twice is asking the same, and changes no manifest", () => {
  const content = { pod: { isolators: [{ name: "os/unix/sysctl", value: SETTINGS }] } };
  const pod = composePod(content);
  const first = planQuestions(pod, ARGUMENTS, "isolated");
  assertEquals(planQuestions(pod, ARGUMENTS, "isolated"), first);
  assertEquals(pod, composePod(content));
});
