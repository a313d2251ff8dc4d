/** Tests of the resources that an app may use, and of what the kernel reports. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually, execute, must, SimulatedHost, sleep } from "./host.ts";
import { isAlive, readMounts } from "./procfs.ts";
import { type Need, scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** One isolator of a manifest. */
interface Isolator {
  name: string;
  value: unknown;
}

const MEMORY: Isolator = { name: "resource/memory", value: { request: "16Mi", limit: "32Mi" } };
const CPU: Isolator = { name: "resource/cpu", value: { request: "250m", limit: "500m" } };
const SHARES: Isolator = { name: "os/linux/cpu-shares", value: 2048 };

/** The files and values of each limit, in version 1 and in version 2. */
const LIMITS: Record<string, [v1: Record<string, string>, v2: Record<string, string>]> = {
  memory: [
    { "memory.limit_in_bytes": "33554432", "memory.soft_limit_in_bytes": "16777216" },
    { "memory.max": "33554432", "memory.low": "16777216" },
  ],
  cpu: [
    { "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000", "cpu.shares": "256" },
    { "cpu.max": "50000 100000", "cpu.weight": "25" },
  ],
};

/** Finds the mount of version 1 that has a controller, or the mount of version 2. */
function hierarchy(controller: string): { path: string; version: 1 | 2 } | undefined {
  const v1 = readMounts().find(({ type, path }) =>
    type === "cgroup" && path.split("/").at(-1)!.split(",").includes(controller)
  );
  if (v1) return { path: v1.path, version: 1 };
  const v2 = readMounts().find(({ type }) => type === "cgroup2");
  const controllers = v2 ? Deno.readTextFileSync(`${v2.path}/cgroup.controllers`) : "";
  return controllers.trim().split(" ").includes(controller)
    ? { path: v2!.path, version: 2 }
    : undefined;
}

/** Tells whether a hierarchy can be written to: in a container, it may be mounted but read-only. */
function isWritable(path: string): boolean {
  return readMounts().findLast((mount) => mount.path === path)?.options.includes("rw") ?? false;
}

function controllerNeed(controller: string): Need {
  const found = hierarchy(controller);
  return {
    what: `the cgroup controller ${controller}, to write to`,
    met: found !== undefined && isWritable(found.path),
  };
}

const CONTROLLERS = ["memory", "cpu"].map(controllerNeed);

/** Finds every cgroup of a pod. */
async function cgroups(pod: Pod): Promise<string[]> {
  // `find` fails when cgroups of others go meanwhile, so its exit code is not looked at.
  const found = await execute(["find", "/sys/fs/cgroup", "-type", "d", "-name", `*${pod.uuid}*`]);
  return found.stdout.split("\n").filter((path) => path !== "");
}

/** Finds the pod's cgroup that has a controller. */
async function cgroup(pod: Pod, controller: string): Promise<{ path: string; version: 1 | 2 }> {
  const { path: root, version } = hierarchy(controller)!;
  const path = (await cgroups(pod)).find((it) => it.startsWith(`${root}/`));
  assert(path !== undefined, `no cgroup for ${controller}`);
  return { path, version };
}

/** Collects a pod when its test ends: its cgroups would outlive a test that fails. */
function collecting(pod: Pod): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await pod.gc();
      assertEquals(await cgroups(pod), []);
    },
  };
}

async function setPodIsolators(pod: Pod, isolators: Isolator[]): Promise<void> {
  await editJson(`${pod.dir}/pod`, (manifest) => manifest.isolators = isolators);
}

function readLimits(path: string, files: Record<string, string>): Record<string, string> {
  const read = (file: string) => Deno.readTextFileSync(`${path}/${file}`).trim();
  return Object.fromEntries(Object.keys(files).map((file) => [file, read(file)]));
}

scenario(
  "the app is in a cgroup of the pod's, with its limits",
  { needs: CONTROLLERS },
  async ({ script }) => {
    const app = { isolators: [MEMORY, CPU], user: "1000", group: "1000" };
    await using pod = await script("echo ready; exec sleep 100", { app });
    await using _ = collecting(pod);
    const program = await pod.start();
    await program.prints("ready");
    assertEquals(program.stderr, "");
    for (const [controller, [v1, v2]] of Object.entries(LIMITS)) {
      const { path, version } = await cgroup(pod, controller);
      const expected = version === 1 ? v1 : v2;
      assertEquals(readLimits(path, expected), expected);
      assertEquals(Deno.readTextFileSync(`${path}/cgroup.procs`), `${program.pid}\n`);
    }
  },
);

scenario(
  "the pod's cgroup is below the caller's, or beside it",
  { needs: CONTROLLERS },
  async ({ script }) => {
    await using pod = await script("cat /proc/self/cgroup", { app: { isolators: [MEMORY] } });
    await using _ = collecting(pod);
    const result = await pod.run();
    assertQuiet(result);
    const ofPod = result.stdout.split("\n").filter((line) => line.includes(pod.uuid));
    assertEquals(ofPod.length, 1);
    const own = Deno.readTextFileSync("/proc/self/cgroup").split("\n");
    const [number, names] = ofPod[0]!.split(":");
    const caller = own.find((line) => line.startsWith(`${number}:${names}:`))!;
    if (number !== "0") assertEquals(ofPod[0], `${caller.replace(/\/$/, "")}/volo-${pod.uuid}`);
    assert(ofPod[0]!.endsWith(`/volo-${pod.uuid}`));
  },
);

scenario("an app that exceeds its memory is killed", { needs: CONTROLLERS }, async ({ script }) => {
  const app = { isolators: [MEMORY] };
  await using pod = await script("tail /dev/zero; echo ended with $?", { app });
  await using _ = collecting(pod);
  const result = await pod.run();
  assertCode(result, 0);
  assertEquals(result.stdout, "ended with 137\n");
});

scenario("an app with little memory can start", { needs: CONTROLLERS }, async ({ script }) => {
  const isolators = [{ name: "resource/memory", value: { limit: "4Mi" } }];
  await using pod = await script("echo small", { app: { isolators } });
  await using _ = collecting(pod);
  assertPrints(await pod.run(), "small\n");
});

scenario(
  "the pod's limit bounds the app's, and that is said",
  { needs: CONTROLLERS },
  async ({ script }) => {
    const isolators = [{ name: "resource/memory", value: { limit: "64Mi" } }];
    await using pod = await script("exec sleep 100", { app: { isolators } });
    await using _ = collecting(pod);
    await setPodIsolators(pod, [MEMORY]);
    const program = await pod.start();
    const { path, version } = await cgroup(pod, "memory");
    const file = version === 1 ? "memory.limit_in_bytes" : "memory.max";
    assertEquals(readLimits(path, { [file]: "" }), { [file]: "33554432" });
    assertMatch(
      program.stderr,
      /^run: apps\[0\]\.app\.isolators\[0\].*bounds 67108864 to 33554432\n$/,
    );
  },
);

scenario("cpu-shares are the app's share", { needs: CONTROLLERS }, async ({ script }) => {
  await using pod = await script("exec sleep 100", { app: { isolators: [SHARES] } });
  await using _ = collecting(pod);
  await pod.start();
  const { path, version } = await cgroup(pod, "cpu");
  const expected = version === 1 ? { "cpu.shares": "2048" } : { "cpu.weight": "200" };
  assertEquals(readLimits(path, expected), expected);
});

const BLOCK_LIMITS: [isolator: string, v1: string][] = [
  ["resource/block-bandwidth", "blkio.throttle.write_bps_device"],
  ["resource/block-iops", "blkio.throttle.write_iops_device"],
];

for (const [name, v1] of BLOCK_LIMITS) {
  scenario(`a limit of every block device is set on each: ${name}`, {
    needs: [hierarchy("blkio") ? controllerNeed("blkio") : controllerNeed("io")],
  }, async ({ script }) => {
    const isolators = [{ name, value: { default: true, limit: "1000" } }];
    await using pod = await script("exec sleep 100", { app: { isolators } });
    await using _ = collecting(pod);
    const program = await pod.start();
    const controller = hierarchy("blkio") ? "blkio" : "io";
    const { path, version } = await cgroup(pod, controller);
    const limits = Deno.readTextFileSync(`${path}/${version === 1 ? v1 : "io.max"}`);
    const limited = limits.split("\n").filter((line) => /[ =]1000( |$)/.test(line));
    assertEquals(limited.length, [...Deno.readDirSync("/sys/block")].length);
    // `run` warns about what version 1 cannot limit.
    assertEquals(/page cache/.test(program.stderr), version === 1);
  });
}

scenario("a limit is not enforced where no cgroup can have it, and that is said", async (stage) => {
  await using pod = await stage.script("echo started", { app: { isolators: [MEMORY] } });
  await using host = await SimulatedHost.open("private");
  const cgroups = readMounts(host.pid).filter(({ type }) => /^cgroup2?$/.test(type));
  for (const { path } of cgroups.toReversed()) await must(["umount", path], host);
  const { code, stdout, stderr } = await pod.run({ host });
  assertEquals({ code, stdout, stderr }, {
    code: 0,
    stdout: "started\n",
    stderr: "run: apps[0].app.isolators[0] (resource/memory): not enforced: " +
      "no cgroup that can be reached here has the controller memory\n",
  });
});

const OOM_SCORE_ADJ = "os/linux/oom-score-adj";

scenario("oom_score_adj is the app's", async ({ script }) => {
  const app = { isolators: [{ name: OOM_SCORE_ADJ, value: 321 }], user: "1000", group: "1000" };
  await using pod = await script("cat /proc/self/oom_score_adj", { app });
  assertPrints(await pod.run(), "321\n");
});

/** Tells whether this process may lower its own `oom_score_adj`: capabilities(7), bit 24. */
function maySpareItself(): boolean {
  const [, bits] = Deno.readTextFileSync("/proc/self/status").match(/^CapEff:\t([0-9a-f]+)$/m)!;
  return (BigInt(`0x${bits}`) >> 24n & 1n) === 1n;
}

scenario(
  "oom_score_adj is lowered if the caller may, and it is said if not",
  async ({ script }) => {
    const app = { isolators: [{ name: OOM_SCORE_ADJ, value: -321 }] };
    await using pod = await script("cat /proc/self/oom_score_adj", { app });
    const result = await pod.run();
    assertCode(result, 0);
    assertEquals(result.stdout === "-321\n", maySpareItself());
    assertEquals(/oom-score-adj\): not applied/.test(result.stderr), !maySpareItself());
  },
);

scenario("without isolators there is no cgroup", async ({ script }) => {
  await using pod = await script("cat /proc/self/cgroup");
  const result = await pod.run();
  assertQuiet(result);
  assertEquals(result.stdout.includes(pod.uuid), false);
  assertEquals(await cgroups(pod), []);
});

scenario(
  "gc removes the cgroups, and what is in them",
  { needs: CONTROLLERS },
  async ({ script }) => {
    const app = { isolators: [MEMORY, CPU] };
    await using pod = await script("sleep 100 >/dev/null 2>&1 & echo $!", { app });
    const orphan = Number((await pod.run()).stdout);
    assert(isAlive(orphan));
    assertEquals((await cgroups(pod)).length > 0, true);
    assertQuiet(await pod.gc());
    assertEquals(await cgroups(pod), []);
    await eventually("the orphan's end", () => !isAlive(orphan));
    assertQuiet(await pod.gc());
  },
);

scenario(
  "gc ends what has left the app's root, but not the pod's cgroup",
  { needs: CONTROLLERS },
  async ({ script }) => {
    const text = "mkdir -p /elsewhere/bin && cp /bin/busybox /elsewhere/bin && " +
      "chroot /elsewhere /bin/busybox sleep 100 >/dev/null 2>&1 & echo $!";
    await using pod = await script(text, { app: { isolators: [MEMORY] } });
    const orphan = Number((await pod.run()).stdout);
    assertQuiet(await pod.gc());
    assertEquals(await cgroups(pod), []);
    await eventually("the orphan's end", () => !isAlive(orphan));
  },
);

scenario("gc removes cgroups that the app has made", { needs: CONTROLLERS }, async ({ script }) => {
  const app = { isolators: [MEMORY] };
  await using pod = await script("echo ready; exec sleep 100", { app });
  await using _ = collecting(pod);
  const program = await pod.start();
  await program.prints("ready");
  const { path } = await cgroup(pod, "memory");
  await Deno.mkdir(`${path}/one/two`, { recursive: true });
  program.kill("SIGKILL");
  await program.result;
  assertQuiet(await pod.gc());
  assertEquals(await cgroups(pod), []);
});

scenario(
  "run can be killed at any moment, and gc leaves no cgroup",
  { needs: CONTROLLERS },
  async ({ script }) => {
    for (let delay = 0; delay <= 120; delay += 12) {
      await using pod = await script("sleep 100", { app: { isolators: [MEMORY, CPU] } });
      const program = await pod.launch();
      await sleep(delay);
      program.kill("SIGKILL");
      await program.result;
      assertQuiet(await pod.gc());
      assertEquals(await cgroups(pod), [], `killed after ${delay} ms`);
    }
  },
);

scenario("a run that is refused leaves no cgroup", { needs: CONTROLLERS }, async ({ script }) => {
  const app = { isolators: [MEMORY, CPU], workingDirectory: "/no/such/directory" };
  await using pod = await script("true", { app });
  assertRefused(await pod.run(), "run", /workingDirectory/);
  assertEquals(await cgroups(pod), []);
});

scenario("what the host's network cannot give is said", async ({ script }) => {
  const isolators = [{
    name: "resource/network-bandwidth",
    value: { default: true, limit: "1G" },
  }];
  await using pod = await script("true", { app: { isolators } });
  const result = await pod.run();
  assertCode(result, 0);
  assertEquals(
    result.stderr,
    "run: apps[0].app.isolators[0] (resource/network-bandwidth): not enforced: the app is in the " +
      "host's network\n",
  );
});

scenario("a kernel setting is refused unless it is so already", async ({ script }) => {
  const setting = (value: string): Isolator => ({
    name: "os/unix/sysctl",
    value: { "net.core.somaxconn": value },
  });
  const actual = Deno.readTextFileSync("/proc/sys/net/core/somaxconn").trim();
  await using same = await script("true");
  await setPodIsolators(same, [setting(actual)]);
  assertQuiet(await same.run());
  await using other = await script("true");
  await setPodIsolators(other, [setting("1")]);
  assertRefused(await other.run(), "run", /net\.core\.somaxconn=1 cannot be had.*on this host/);
});

function hasFile(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

scenario("a host without SELinux says that it ignores a context", {
  needs: [{ what: "a host without SELinux", met: !hasFile("/sys/fs/selinux/enforce") }],
}, async ({ script }) => {
  const value = { user: "system_u", role: "system_r", type: "dhcpc_t", level: "s0" };
  const isolators = [{ name: "os/linux/selinux-context", value }];
  await using pod = await script("true", { app: { isolators } });
  const result = await pod.run();
  assertCode(result, 0);
  assertMatch(result.stderr, /^run: apps\[0\].*selinux-context\): ignored: .*no SELinux\n$/);
});

scenario("an AppArmor profile that is not there is refused", async ({ script }) => {
  const isolators = [{ name: "os/linux/apparmor-profile", value: { profile: "no-such-profile" } }];
  await using pod = await script("true", { app: { isolators } });
  assertRefused(await pod.run(), "run", /apparmor-profile/);
});
