/**
 * Tests of hostile pods: cgroups. An app sees its own, and can neither change its limits nor leave
 * them.
 */

import { assert, assertEquals } from "@std/assert";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import {
  AS_USER,
  BY_DEFAULT,
  retaining,
  type Stance,
  WITH_PRIVATE_USERS,
  withCapability,
} from "./hostile_pods/stances.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { processOf, startUp } from "./pod_processes.ts";
import { readMounts } from "./procfs.ts";
import { scenario } from "./scenario.ts";

const LIMITS = [
  { name: "resource/memory", value: { limit: "64Mi" } },
  { name: "resource/cpu", value: { limit: "500m" } },
];

/** A pod's own users may mount nothing, whatever they are given. */
const WITH_ALL_CALLS: Stance = {
  ...WITH_PRIVATE_USERS,
  what: "with private users, CAP_SYS_ADMIN and every call",
  app: {
    isolators: [
      ...retaining("CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_CHOWN"),
      { name: "os/linux/seccomp-retain-set", value: { set: ["@appc.io/all"] } },
    ],
  },
};

/** The files by which an app could gain something, or have a program run on the host. */
const SETTINGS = new RegExp(
  "^(" + [
    "memory\\.(memsw\\.|kmem\\.tcp\\.)?limit_in_bytes",
    "memory\\.(soft_limit_in_bytes|oom_control|max|high|swap\\.max|oom\\.group)",
    "cpu\\.(cfs_quota_us|cfs_period_us|shares|max|weight)",
    "cpuset\\.(cpus|mems)",
    "pids\\.max",
    "devices\\.list",
    "freezer\\.state",
    "cgroup\\.(freeze|subtree_control|type|clone_children|max\\.descendants)",
    "notify_on_release",
    "release_agent",
  ].join("|") + ")$",
);

/** What the host's files say of cgroups. */
function settingsOf(directories: readonly string[]): Record<string, string> {
  const files = directories.flatMap((directory) =>
    [...Deno.readDirSync(directory)].filter(({ name }) => SETTINGS.test(name))
      .map(({ name }) => `${directory}/${name}`)
  );
  return Object.fromEntries(files.map((file) => [file, read(file)]));
}

function read(file: string): string {
  try {
    return Deno.readTextFileSync(file);
  } catch (error) {
    return `${error}`;
  }
}

const STANCES = [
  BY_DEFAULT,
  AS_USER,
  WITH_PRIVATE_USERS,
  WITH_ALL_CALLS,
  withCapability("CAP_DAC_READ_SEARCH"),
  withCapability("CAP_SYS_RESOURCE"),
];

for (const { what, app, privateUsers } of STANCES) {
  scenario(
    `an app neither changes its limits nor leaves its cgroups, ${what}`,
    { flavor: "isolated", needs: COMPILER },
    async (stage) => {
      const image = await hostileImage(stage);
      const isolators = [...app.isolators ?? [], ...LIMITS];
      const text = `trap 'exec ${HOSTILE} outgrow' USR1; echo up; while :; do sleep .1; done`;
      await using pod = await stage.script(text, {
        image,
        app: { ...app, isolators },
        ...privateUsers ? { privateUsers } : {},
      });
      await using _ = { [Symbol.asyncDispose]: async () => void await pod.gc() };
      const program = await pod.start();
      await program.prints("up");
      const roots = readMounts().filter(({ type }) => /^cgroup2?$/.test(type))
        .map(({ path }) => path);
      const cgroups = findPodCgroups([pod.uuid]);
      assert(cgroups.length > 0);
      const below = cgroups.map((path) => `${path}/app-app`);
      const looked = [...roots, ...cgroups, ...below];
      const before = settingsOf(looked);
      assert(Object.keys(before).length > 0);
      const [pid] = Deno.readTextFileSync(`${below[0]}/cgroup.procs`).split("\n");
      Deno.kill(Number(pid), "SIGUSR1");
      await program.prints("tried");
      assertEquals(settingsOf(looked), before);
      for (const path of below) {
        const entries = [...Deno.readDirSync(path)];
        assertEquals(entries.filter(({ isDirectory }) => isDirectory), [], path);
        const pids = Deno.readTextFileSync(`${path}/cgroup.procs`).trim().split("\n");
        assert(pids.includes(pid!), path);
      }
    },
  );
}

/** Sums up the bytes that wait in the TCP sockets of a process's network: proc_pid_net(5). */
function waitingBytes(pid: number): number {
  return read(`/proc/${pid}/net/tcp`).trim().split("\n").slice(1)
    .map((line) => line.trim().split(/\s+/)[4]!.split(":").map((queue) => parseInt(queue, 16)))
    .reduce((sum, [sent, received]) => sum + sent! + received!, 0);
}

/** Version 2 counts it together with all other memory, where a host has it. */
const HAS_MEMORY = readMounts().some(({ type, path }) =>
  type === "cgroup" && path.split("/").at(-1)!.split(",").includes("memory")
);

scenario("what waits in sockets counts as memory", {
  flavor: "isolated",
  needs: [...COMPILER, { what: "the controller memory in cgroup v1", met: HAS_MEMORY }],
}, async (stage) => {
  const image = await hostileImage(stage);
  await using pod = await stage.pod({
    image,
    app: { exec: [HOSTILE, "hoard", "60"], isolators: LIMITS },
  });
  const waiting = waitingBytes(processOf(await startUp(pod)));
  // The kernel looks at the limit only where a socket wants more than its least share.
  assert(waiting < 1.5 * 64 * 1024 * 1024, `${waiting} bytes wait`);
});
