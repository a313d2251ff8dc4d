import { assertEquals } from "@std/assert";
import type { PodCgroupPlan } from "./cgroup/pod_cgroups.ts";
import { describePlan } from "./describe.ts";
import { describeAppCgroups, describeCgroup } from "./describe_steps.ts";
import { ARGUMENTS, composePod, NO_FACTS, type PodContent } from "./plan_testing.ts";
import { planPod } from "./pod.ts";

const V1 = ["memory", "devices", "freezer", "pids"]
  .map((name) => ({ controllers: [name], directory: `/cg/${name}` }));
const FACTS = { ...NO_FACTS, cgroups: { v1: V1, v2: [] } };
const HANDLERS = [
  { name: "pre-start", exec: ["/bin/before"] },
  { name: "post-stop", exec: ["/bin/after"] },
];

function inWords(content: PodContent, flavor: "host" | "isolated" = "host"): string[] {
  const args = { ...ARGUMENTS, net: "none" };
  return describePlan(planPod(composePod(content), args, flavor, FACTS));
}

/** Those lines that begin so, in the order of the text. */
function outline(lines: readonly string[], ...beginnings: string[]): string[] {
  return lines.flatMap((line) => beginnings.filter((it) => line.trim().startsWith(it)));
}

Deno.test("the first line says what becomes of run, and where the pod is", () => {
  const first = (apps: string[], flavor?: "isolated") =>
    inWords({ apps: Object.fromEntries(apps.map((name) => [name, undefined])) }, flavor)[0]
      ?.replace(ARGUMENTS.uuid, "UUID");
  assertEquals(first(["a"]), 'pod UUID: run becomes the app "a", in the host\'s namespaces');
  assertEquals(
    first(["a", "b"]),
    'pod UUID: run stays with the apps "a", "b", in the host\'s namespaces',
  );
  assertEquals(
    first(["a"], "isolated"),
    'pod UUID: run stays with the app "a", in namespaces of the pod\'s own',
  );
});

Deno.test("what has no effect comes before what is done", () => {
  assertEquals(inWords({ pod: { isolators: [{ name: "example.com/a", value: 1 }] } }).slice(1, 5), [
    "warn of what has no effect, or less than it seems:",
    "  --net=none: ignored: the app is in the host's network",
    "  isolators[0] (example.com/a): ignored: not in the spec",
    'make a mount namespace for app "server": mounts of the host come in, none go out',
  ]);
});

Deno.test("a pod with namespaces of its own is told in the order in which it is made", () => {
  const order = [
    "make a network namespace",
    "make cgroup /cg/pids/machine-rkt",
    "make the pod's root",
    "start pid 1",
    "name the host",
    "of the kernel's paths",
    "make cgroup /cg/pids/machine-rkt",
    'make a mount namespace for app "server"',
    "make directory /tmp (mode 1777) if the app has none",
    "save the environment",
    "USER, LOGNAME, HOME: root's, or those of the user in the app's /etc/passwd",
    'start the processes of app "server"',
    "join the app's cgroups",
    "begin in /",
    "stdin: ",
    "keep these capabilities, as far as run has them: ",
    "become user 0",
    "gain no new privileges",
    "allow 300 system calls, answer others with EPERM, and unknown ones with ENOSYS",
    'run to its end "/bin/before", as root',
    'execute "/bin/server"',
    'wait for its end, then run "/bin/after", as root',
  ];
  const lines = inWords({ image: { eventHandlers: HANDLERS } }, "isolated");
  assertEquals(outline(lines, ...new Set(order)), order);
});

Deno.test("a pod of one app joins its cgroups before it gives up what it may do", () => {
  const isolators = [
    { name: "resource/memory", value: { limit: "32Mi" } },
    { name: "os/linux/oom-score-adj", value: 7 },
    { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_KILL"] } },
  ];
  const lines = inWords({ image: { isolators } });
  assertEquals(lines.slice(lines.indexOf("oom_score_adj = 7")), [
    "oom_score_adj = 7",
    `make cgroup /cg/memory/volo-${ARGUMENTS.uuid}`,
    "  move run into it",
    "  memory.limit_in_bytes = 33554432",
    "  memory.memsw.limit_in_bytes = 33554432",
    "  memory.kmem.tcp.limit_in_bytes = 33554432",
    "  memory.soft_limit_in_bytes = 33554432",
    "begin in /",
    "stdin: the caller's",
    "stdout: the caller's",
    "stderr: the caller's",
    "keep these capabilities, as far as run has them: CAP_KILL",
    "become user 0, group 0, supplementary groups none",
    "allow all system calls",
    'become "/bin/server"',
  ]);
});

Deno.test("what is attached to is told, and in which log it is", () => {
  const { manifest, apps } = composePod({});
  const server = apps[0]!;
  const streams = (modes: Record<string, string>, more: typeof server.runtime.annotations = []) => {
    const ofStreams = Object.entries(modes)
      .map(([stream, value]) => ({ name: `coreos.com/rkt/stage2/${stream}`, value }));
    const runtime = { ...server.runtime, annotations: [...ofStreams, ...more] };
    const pod = { manifest, apps: [{ ...server, runtime }] };
    return describePlan(planPod(pod, { ...ARGUMENTS, net: "none" }, "isolated", FACTS))
      .map((line) => line.trim()).filter((line) => /^std(in|out|err): /.test(line));
  };
  assertEquals(streams({ stdin: "stream", stdout: "stream", stderr: "null" }), [
    "stdin: a pipe for `rkt attach`",
    "stdout: a pipe for `rkt attach` and to log/server.log",
    "stderr: /dev/null",
  ]);
  const terminal = "a terminal of its own, for `rkt attach` and to the host's journal";
  const toJournal = [{ name: "stage1-volo/log-to", value: "journald" }];
  assertEquals(
    streams({ stdin: "tty", stdout: "tty", stderr: "tty" }, toJournal),
    ["stdin", "stdout", "stderr"].map((stream) => `${stream}: ${terminal}`),
  );
});

Deno.test("masks keep their order, and have few lines", () => {
  const lines = inWords({}, "isolated");
  const masks = lines.filter((line) =>
    /^ {2}(hide|write-protect|leave open to writing) /.test(line)
  );
  assertEquals(masks.slice(0, 2).map((line) => line.trim()), [
    "write-protect /proc/sys",
    "leave open to writing /proc/sys/net",
  ]);
  assertEquals(masks.filter((line) => line.length > 100), []);
  assertEquals(masks.length < 15, true);
});

Deno.test("cgroups of version 2 are told with what enables their limits", () => {
  const limit = { file: "memory.max", value: "1", isolator: "a" };
  const plan: PodCgroupPlan = {
    version: 2,
    parent: "/cg/caller",
    path: "/cg/caller/pod",
    enable: [{ directory: "/cg/caller", controllers: ["memory"] }],
    mountOptions: [],
    moveSelfOut: "/cg/caller/run",
    isTrackingHierarchy: true,
    limits: [limit],
    inherited: [],
    controllers: ["memory", "cpu"],
    apps: [{
      app: "a",
      path: "/cg/caller/pod/app-a",
      limits: [limit, { file: "io.max", value: "8:0 rbps=1", isolator: "a" }, {
        file: "io.max",
        value: "8:1 rbps=1",
        isolator: "a",
      }],
      devices: [{ kind: "character", major: 1, minor: 3, access: "rw" }],
    }],
  };
  assertEquals(describeCgroup(plan), [
    "make cgroup /cg/caller/pod",
    "  move run to /cg/caller/run",
    "  enable memory in /cg/caller",
    "  memory.max = 1",
  ]);
  assertEquals(describeAppCgroups(plan), [
    "enable memory, cpu in /cg/caller/pod",
    "make cgroup /cg/caller/pod/app-a",
    "  memory.max = 1",
    "  io.max = 8:0 rbps=1, 8:1 rbps=1",
    "  allow device c 1:3 rw",
  ]);
});

const filters: [what: string, mode: string, value: unknown, words: RegExp][] = [
  [
    "retained calls",
    "retain",
    { set: ["read"] },
    /^allow \d+ system calls, answer others with SIGSYS$/,
  ],
  [
    "retained calls and an error",
    "retain",
    { set: ["read"], errno: "EXDEV" },
    /^allow \d+ system calls, answer others with EXDEV$/,
  ],
  [
    "a removed call",
    "remove",
    { set: ["mkdir"] },
    /^answer 1 system calls with SIGSYS, allow others$/,
  ],
  [
    "no removed call",
    "remove",
    { set: ["@appc.io/empty"] },
    /^allow \d+ system calls, answer others with EPERM, and unknown ones with ENOSYS$/,
  ],
];

for (const [what, mode, value, words] of filters) {
  Deno.test(`a plan says what becomes of a call that is refused, with ${what}`, () => {
    const isolators = [{ name: `os/linux/seccomp-${mode}-set`, value }];
    const lines = inWords({ image: { isolators } });
    assertEquals(lines.filter((line) => words.test(line)).length, 1);
  });
}
