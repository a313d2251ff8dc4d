/**
 * The pods that rows of the table of fields are compared on. Each has many fields at once. Where a
 * pod's flavor or number of apps decides otherwise about a field, there is another pod.
 *
 * @module
 */

import { editJson } from "../expect.ts";
import { type Host, mountTmpfs, must, SCRIPT, SimulatedHost, TERMINAL } from "../host.ts";
import { NETWORK_NEEDS } from "../network_needs.ts";
import { type Mount, readMounts } from "../procfs.ts";
import { type Need, scenario, type Stage, type StageTest } from "../scenario.ts";
import type { App, EndOptions, Pod, RunFlags } from "../stage0.ts";
import { handler } from "./processes.ts";

/** A pod that is ready to be explained and run. */
export interface Composed {
  pod: Pod;
  /** Where it runs, if that is not this machine. */
  host?: Host;
}

/** A pod to compare rows on. */
export interface Subject {
  flavor: "host" | "isolated";
  /** What it is, in the names of tests. */
  what: string;
  flags?: RunFlags;
  /** The caller's `TERM`. */
  term?: string;
  needs?: Need[];
  /** @param cleanUp Takes what has to go after the pod. */
  compose(stage: Stage, cleanUp: AsyncDisposableStack): Promise<Composed>;
}

/** Whether a controller of cgroups is there, by its names in version 1 and 2, and can be used. */
function controllerNeed(name: string, inV2 = name): Need {
  const usable = readMounts().filter(({ options }) => options.includes("rw"));
  const isIn = ({ type, path }: Mount) =>
    type === "cgroup" ? path.split("/").at(-1)!.split(",").includes(name) : type === "cgroup2" &&
      Deno.readTextFileSync(`${path}/cgroup.controllers`).trim().split(" ").includes(inV2);
  return { what: `the cgroup controller ${inV2}, to write to`, met: usable.some(isIn) };
}

const CONTROLLERS = [
  controllerNeed("memory"),
  controllerNeed("cpu"),
  controllerNeed("pids"),
  controllerNeed("blkio", "io"),
];

/** Blocks without a process of its own, so that the shell stays what the manifest says. */
function waitIn(directory: string): string {
  return `mkfifo ${directory}/never && echo up && read -r line <${directory}/never`;
}

const WAIT = waitIn("/tmp");

/** Fails once, and the app says how. */
const TRY_CALL = `mkdir /tmp/refused 2>&1; ${WAIT}`;

function isolator(name: string, value: unknown) {
  return { name, value };
}

const MEMORY = isolator("resource/memory", { request: "16Mi", limit: "32Mi" });
const CPU = isolator("resource/cpu", { request: "250m", limit: "500m" });
const SHARES = isolator("os/linux/cpu-shares", 512);
const OOM_SCORE = isolator("os/linux/oom-score-adj", 321);
const DISKS = ["resource/block-bandwidth", "resource/block-iops"]
  .map((name) => isolator(name, { default: true, limit: "1000" }));
const NETWORK = isolator("resource/network-bandwidth", { default: true, limit: "1G" });
const UNKNOWN = isolator("example.com/gravity", { limit: "1" });
const LABEL = isolator("os/linux/selinux-context", {
  user: "system_u",
  role: "system_r",
  type: "container_t",
  level: "s0",
});

function capabilities(mode: "retain" | "remove", ...set: string[]) {
  return isolator(`os/linux/capabilities-${mode}-set`, { set });
}

/** Settings of the pod's own namespaces, none of which a host has like that. */
const SYSCTLS = { "net.core.somaxconn": "77", "kernel.msgmax": "4096", "fs.mqueue.msg_max": "33" };

function shell(text: string, ...args: string[]): string[] {
  return ["/bin/sh", "-c", text, ...args];
}

/** A volume in which handlers leave what they are: all users may write to it. */
const SEEN = {
  volumes: [{ name: "seen", kind: "empty", mode: "0777" }],
  mounts: [{ volume: "seen", path: "/seen" }],
} as const;

const HANDLERS: App["eventHandlers"] = [
  { name: "pre-start", exec: handler("before") },
  { name: "post-stop", exec: handler("after") },
];

const STREAMS = ["stdin", "stdout", "stderr"].map((stream) => ({
  name: `coreos.com/rkt/stage2/${stream}`,
  value: stream === "stderr" ? "log" : "null",
}));

/** Its volumes are of every kind: with a mount inside, behind a link, and an empty one. */
async function composeSingle(
  { image, pod: prepare, dir }: Stage,
  cleanUp: AsyncDisposableStack,
): Promise<Composed> {
  const source = `${dir}/source`;
  await Deno.mkdir(`${source}/inner`, { recursive: true });
  await Deno.symlink(source, `${dir}/link`);
  cleanUp.use(await mountTmpfs(`${source}/inner`));
  const pod = await prepare({
    image: await image({
      app: { exec: ["/bin/false"], mountPoints: [{ name: "point", path: "/srv//point/" }] },
      files: { "/srv/work": { dir: true } },
    }),
    app: {
      exec: shell(TRY_CALL, "", "two words", "$HOME"),
      user: "volo",
      group: "video",
      supplementaryGIDs: [4242, 29],
      workingDirectory: "/srv/work",
      environment: [{ name: "PATH", value: "/bin" }, { name: "EMPTY", value: "" }],
      mountPoints: [{ name: "point", path: "/srv/point" }],
      isolators: [
        ...[MEMORY, CPU, SHARES, OOM_SCORE, ...DISKS, NETWORK, UNKNOWN, LABEL],
        isolator("os/linux/no-new-privileges", true),
        isolator("os/linux/seccomp-remove-set", { set: ["mkdir", "mkdirat"], errno: "EXDEV" }),
        capabilities("retain", "CAP_CHOWN", "CAP_KILL"),
      ],
    },
    readOnlyRootFS: true,
    volumes: [
      { name: "all", kind: "host", source },
      { name: "flat", kind: "host", source, recursive: false },
      { name: "frozen", kind: "host", source: `${dir}/link`, readOnly: true },
      { name: "point", kind: "empty", mode: "2770", uid: 1000, gid: 44 },
    ],
    mounts: ["all", "flat", "frozen"].map((volume) => ({ volume, path: `/${volume}` })),
  });
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.isolators = [isolator("resource/memory", { limit: "24Mi" })];
    manifest.annotations = [
      { name: "stage1-volo/protect-kernel-paths", value: "true" },
      { name: "coreos.com/rkt/experiment/logmode", value: "k8s-plain" },
      { name: "coreos.com/rkt/experiment/kubernetes-log-dir", value: "/nowhere" },
    ];
    manifest.apps[0].annotations = [
      ...STREAMS,
      { name: "stage1-volo/stop-timeout", value: "5" },
    ];
    manifest.apps[0].app.ports = [{ name: "http", protocol: "tcp", port: 80 }];
    manifest.ports = [{ name: "http", hostPort: 8080 }];
  });
  await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
    manifest.annotations = [
      { name: "stage1-volo/stop-signal", value: "SIGQUIT" },
      { name: "stage1-volo/stop-singal", value: "SIGQUIT" },
    ];
  });
  return { pod };
}

/** The first app says where its streams lead: it logs errors alone. */
async function composeSeveral({ image, stage0 }: Stage): Promise<Composed> {
  const tree = await image({});
  const isolators = [capabilities("remove", "CAP_MKNOD"), CPU];
  const up = `echo up >&2; ${WAIT}`;
  const pod = await stage0.prepare({
    apps: [
      {
        image: tree,
        name: "first",
        app: { exec: shell(up), isolators, eventHandlers: HANDLERS! },
        mounts: [...SEEN.mounts],
      },
      { image: tree, name: "second", app: { exec: shell(WAIT), user: "/home/volo", group: "44" } },
    ],
    volumes: [...SEEN.volumes],
  });
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.isolators = [MEMORY];
    manifest.apps[0].annotations = STREAMS;
  });
  return { pod };
}

/** Root without a word on what it may do. */
async function composeIsolated({ image, pod: prepare }: Stage): Promise<Composed> {
  const mountPoints = [
    { name: "kept", path: "/kept" },
    { name: "own", path: "/dev/own", readOnly: true },
  ];
  const pod = await prepare({
    image: await image({ files: { "/kept/file": "of the image\n" }, app: { mountPoints } }),
    app: {
      exec: shell(waitIn("/dev/shm")),
      mountPoints,
      isolators: [MEMORY, CPU, SHARES, OOM_SCORE, ...DISKS, NETWORK],
      eventHandlers: HANDLERS!,
    },
    readOnlyRootFS: true,
    volumes: [...SEEN.volumes],
    mounts: [...SEEN.mounts],
  });
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.isolators = [
      isolator("resource/memory", { limit: "64Mi" }),
      isolator("os/unix/sysctl", SYSCTLS),
    ];
    manifest.apps[0].annotations = [
      { name: "coreos.com/rkt/stage2/stdin", value: "null" },
      { name: "coreos.com/rkt/experiment/kubernetes-log-path", value: "app.log" },
    ];
  });
  await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
    manifest.annotations = [
      { name: "appc.io/docker/repository", value: "library/app" },
      { name: "stage1-volo/log-size", value: "1Ti" },
    ];
  });
  return { pod };
}

/** A user other than root, in a pod with users of its own. */
async function composeUsers({ pod: prepare }: Stage): Promise<Composed> {
  const pod = await prepare({
    app: {
      exec: shell(WAIT),
      user: "volo",
      group: "volo",
      supplementaryGIDs: [44],
      isolators: [
        isolator("os/linux/seccomp-retain-set", { set: ["@docker/default-whitelist"] }),
        capabilities("retain", "CAP_CHOWN"),
      ],
    },
    privateUsers: "200000:65536",
    volumes: [{ name: "data", kind: "empty", uid: 1000, gid: 44 }],
    mounts: [{ volume: "data", path: "/data" }],
  });
  return { pod };
}

/** A port of the host's leads to it. */
async function composeNetwork(
  { pod: prepare }: Stage,
  cleanUp: AsyncDisposableStack,
): Promise<Composed> {
  const pod = await prepare({ app: { exec: shell(WAIT), isolators: [NETWORK] } });
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.apps[0].app.ports = [{ name: "http", protocol: "tcp", port: 80, count: 2 }];
    manifest.ports = [{ name: "http", hostPort: 8080 }];
  });
  return { pod, host: cleanUp.use(await SimulatedHost.open("shared", "own")) };
}

async function composeTerminal({ pod: prepare }: Stage): Promise<Composed> {
  return { pod: await prepare({ app: { exec: shell(WAIT) } }), host: TERMINAL };
}

/** On a host without cgroups. */
async function composeBare(
  { pod: prepare }: Stage,
  cleanUp: AsyncDisposableStack,
): Promise<Composed> {
  const pod = await prepare({ app: { exec: shell(WAIT), isolators: [MEMORY] } });
  const host = cleanUp.use(await SimulatedHost.open("private"));
  const cgroups = readMounts(host.pid).filter(({ type }) => /^cgroup2?$/.test(type));
  for (const { path } of cgroups.toReversed()) await must(["umount", path], host);
  return { pod, host };
}

/** The pods, by the names that rows call them. */
export const SUBJECTS = {
  single: {
    flavor: "host",
    what: "a pod of one app in the host's namespaces",
    compose: composeSingle,
    needs: CONTROLLERS,
    flags: { mdsToken: "token", dns: { resolv: "stage0" } },
  },
  bare: {
    flavor: "host",
    what: "a pod on a host without cgroups",
    compose: composeBare,
  },
  several: {
    flavor: "host",
    what: "a pod of two apps in the host's namespaces",
    compose: composeSeveral,
    needs: CONTROLLERS,
  },
  isolated: {
    flavor: "isolated",
    what: "a pod",
    compose: composeIsolated,
    needs: CONTROLLERS,
    flags: { hostname: "web" },
  },
  users: {
    flavor: "isolated",
    what: "a pod with users of its own",
    compose: composeUsers,
    flags: { dns: { resolv: "host", hosts: "stage0" } },
    needs: [{
      what: "user namespaces",
      met: Number(Deno.readTextFileSync("/proc/sys/user/max_user_namespaces")) > 0,
    }],
  },
  network: {
    flavor: "isolated",
    what: "a pod in the default network",
    compose: composeNetwork,
    flags: { net: "default" },
    needs: NETWORK_NEEDS,
  },
  terminal: {
    flavor: "isolated",
    what: "a pod on a terminal, with the host's network and IPC",
    compose: composeTerminal,
    flags: { interactive: true, net: "host", ipc: "parent", disable: ["paths"] },
    term: "volo-term",
    needs: [SCRIPT],
  },
} as const satisfies Record<string, Subject>;

/** The name of a pod. */
export type SubjectName = keyof typeof SUBJECTS;

/** Declares a test with a pod's image. */
export function subjectScenario(name: string, subject: Subject, test: StageTest): void {
  scenario(name, { flavor: subject.flavor, needs: subject.needs ?? [] }, test);
}

/** Ends a pod as its owner would. */
export async function endPod(
  { pod, host }: Composed,
  pid: number,
  options: EndOptions = {},
): Promise<void> {
  if (host === TERMINAL) await must(["kill", `${pid}`]);
  else await pod.stop({ ...options, ...(host ? { host } : {}) });
}
