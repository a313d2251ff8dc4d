/** Tests of the resources that apps of an isolated pod may use, and of what the kernel reports. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually, execute, sleep } from "./host.ts";
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

/** Finds the mount of cgroup v1 that has a controller. */
function v1(controller: string): string | undefined {
  return readMounts().find(({ type, path }) =>
    type === "cgroup" && path.split("/").at(-1)!.split(",").includes(controller)
  )?.path;
}

function v1Need(controller: string): Need {
  return { what: `the controller ${controller} in cgroup v1`, met: v1(controller) !== undefined };
}

/** The mount of cgroup v2, if it can be written to. */
const V2 = readMounts().find(({ type, options }) => type === "cgroup2" && options.includes("rw"))
  ?.path;

/** The hierarchy in which all of a pod's processes are found. */
const TRACKER = v1("freezer") ?? V2;
const TRACKER_NEED: Need = {
  what: "the controller freezer in cgroup v1, or cgroup v2 to write to",
  met: TRACKER !== undefined,
};

/** Finds all cgroups of a pod that have its UUID in their name. */
async function cgroups({ uuid }: Pod): Promise<string[]> {
  const escaped = uuid.replaceAll("-", "\\\\x2d");
  const names = ["-name", `*${escaped}*`, "-o", "-name", `*${uuid}*`];
  // `find` fails when cgroups of others go meanwhile, so its exit code is not looked at.
  const found = await execute(["find", "/sys/fs/cgroup", "-type", "d", ...names]);
  return found.stdout.split("\n").filter((path) => path !== "");
}

/** Finds the pod's cgroup in a hierarchy. */
async function cgroup(pod: Pod, hierarchy: string): Promise<string> {
  const path = (await cgroups(pod)).find((it) => it.startsWith(`${hierarchy}/`));
  assert(path !== undefined, `no cgroup in ${hierarchy}`);
  return path;
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

function read(path: string): string {
  return Deno.readTextFileSync(path).trim();
}

scenario(
  "pod and app have cgroups of their own, with the limits of each",
  { flavor: "isolated", needs: [v1Need("memory"), v1Need("cpu")] },
  async ({ script }) => {
    await using pod = await script("echo ready; exec sleep 100", {
      app: { isolators: [MEMORY, CPU], user: "1000", group: "1000" },
    });
    await using _ = collecting(pod);
    await setPodIsolators(pod, [{ name: "resource/memory", value: { limit: "64Mi" } }]);
    const program = await pod.start();
    await program.prints("ready");
    assertEquals(program.stderr, "");
    const memory = await cgroup(pod, v1("memory")!);
    assertEquals(read(`${memory}/memory.limit_in_bytes`), "67108864");
    assertEquals(read(`${memory}/app-app/memory.limit_in_bytes`), "33554432");
    assertEquals(read(`${memory}/app-app/memory.soft_limit_in_bytes`), "16777216");
    assertEquals(read(`${memory}/cgroup.procs`), `${pod.readNumber("pid")}`);
    const cpu = await cgroup(pod, v1("cpu")!);
    assertEquals(read(`${cpu}/cpu.cfs_quota_us`), "-1");
    assertEquals(read(`${cpu}/app-app/cpu.cfs_quota_us`), "50000");
    assertEquals(read(`${cpu}/app-app/cpu.shares`), "256");
    assertEquals(read(`${cpu}/app-app/cgroup.procs`), read(`${memory}/app-app/cgroup.procs`));
  },
);

scenario(
  "an app may write more to /tmp than it may have memory",
  { flavor: "isolated", needs: [v1Need("memory")] },
  async ({ script }) => {
    await using pod = await script("head -c 50000000 /dev/zero >/tmp/big && stat -c %s /tmp/big", {
      app: { isolators: [MEMORY] },
    });
    await using _ = collecting(pod);
    assertPrints(await pod.run(), "50000000\n");
  },
);

scenario("a pod has so many processes and no more, by default", {
  flavor: "isolated",
  needs: [v1Need("pids")],
}, async ({ script }) => {
  await using pod = await script("echo up; exec sleep 100");
  const program = await pod.start();
  await program.prints("up");
  const pids = await cgroup(pod, v1("pids")!);
  assertEquals(read(`${pids}/pids.max`), "16384");
  assertEquals(read(`${pids}/pids.current`), "2");
  await Deno.writeTextFile(`${pids}/pids.max`, "5");
  const fork = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; echo all";
  const { stdout } = await pod.enter("app", ["/bin/sh", "-c", fork]);
  assertEquals(stdout, "");
});

scenario("an app that exceeds its memory is killed, and no other", {
  flavor: "isolated",
  needs: [v1Need("memory")],
}, async ({ script }) => {
  await using pod = await script("tail /dev/zero; echo ended with $?", {
    app: { isolators: [MEMORY] },
  });
  await using _ = collecting(pod);
  const result = await pod.run();
  assertCode(result, 0);
  assertEquals(result.stdout, "ended with 137\n");
});

scenario(
  "an app may be called as a file of a cgroup is",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("echo fine", { name: "tasks" });
    await using _ = collecting(pod);
    assertPrints(await pod.run(), "fine\n");
  },
);

scenario(
  "stage0 is told of the cgroup that all of the pod's processes are in",
  { flavor: "isolated", needs: [TRACKER_NEED] },
  async (stage) => {
    await using pod = await stage.script("sleep 100 & echo ready; wait");
    await using _ = collecting(pod);
    const program = await pod.start();
    await program.prints("ready");
    const path = `${TRACKER}${Deno.readTextFileSync(`${pod.dir}/subcgroup`)}`;
    assertEquals(await cgroup(pod, TRACKER!), path);
    assertEquals(read(`${path}/app-app/cgroup.procs`).split("\n").length, 2);
    const ofFirst = TRACKER === V2 ? `${path}/init` : path;
    assertEquals(read(`${ofFirst}/cgroup.procs`), `${pod.readNumber("pid")}`);
  },
);

/** Returns a command that tries to use or make a device, and prints what came of it. */
function tryDevice(name: string, command: string): string {
  return `if (${command}) 2>/dev/null; then echo ${name}: yes; else echo ${name}: no; fi`;
}

scenario("an app has the standard devices, and can make no others", {
  flavor: "isolated",
  needs: [v1Need("devices")],
}, async ({ script }) => {
  await using pod = await script([
    ...["null", "zero", "full", "random", "urandom"].map((name) =>
      tryDevice(name, `head -c 1 /dev/${name} >/dev/null`)
    ),
    tryDevice("ptmx", ": </dev/ptmx"),
    tryDevice("make null", "mknod /dev/another c 1 3 && : >/dev/another"),
    tryDevice("make ptmx", "mknod /dev/other c 5 2"),
    tryDevice("make loop-control", "mknod /dev/loop-control c 10 237"),
    tryDevice("make a disk", "mknod /dev/disk b 254 0"),
  ].join("\n"));
  await using _ = collecting(pod);
  assertPrints(
    await pod.run(),
    [
      ...["null", "zero", "full", "random", "urandom", "ptmx", "make null"].map((it) =>
        `${it}: yes\n`
      ),
      ...["make ptmx", "make loop-control", "make a disk"].map((it) => `${it}: no\n`),
    ].join(""),
  );
});

scenario("device files are of no use outside /dev", { flavor: "isolated" }, async ({ script }) => {
  const places = ["/", "/tmp/", "/dev/shm/", "/data/"];
  await using pod = await script(
    places.map((place) => `mknod ${place}file c 1 3 && ${tryDevice(place, `: 3>${place}file`)}`)
      .join("\n"),
    {
      volumes: [{ name: "data", kind: "empty" }],
      mounts: [{ volume: "data", path: "/data" }],
    },
  );
  await using _ = collecting(pod);
  assertPrints(await pod.run(), places.map((place) => `${place}: no\n`).join(""));
});

const LOOP_CONTROL = "/dev/loop-control";
const LOOP_CONTROL_NEED: Need = {
  what: LOOP_CONTROL,
  met: (await execute(["test", "-c", LOOP_CONTROL])).code === 0,
};

scenario(
  "a device that is a volume can be used, and no file be made for it",
  { flavor: "isolated", needs: [LOOP_CONTROL_NEED, v1Need("devices")] },
  async ({ script }) => {
    await using pod = await script(
      [
        tryDevice("use", ": </tmp/device"),
        tryDevice("make", "mknod /dev/loop-control c 10 237"),
      ].join("\n"),
      {
        volumes: [{ name: "device", kind: "host", source: LOOP_CONTROL }],
        mounts: [{ volume: "device", path: "/tmp/device" }],
      },
    );
    await using _ = collecting(pod);
    assertPrints(await pod.run(), "use: yes\nmake: no\n");
  },
);

const TUN = "/dev/net/tun";
const TUN_NEED: Need = { what: TUN, met: (await execute(["sh", "-c", `: <>${TUN}`])).code === 0 };

scenario("an app that is given /dev/net/tun makes tunnels in the pod's network", {
  flavor: "isolated",
  needs: [TUN_NEED],
}, async ({ script }) => {
  const isolators = [{
    name: "os/linux/capabilities-retain-set",
    value: { set: ["CAP_NET_ADMIN"] },
  }];
  const text =
    "test -e /dev/net || echo none; tunctl -t tap7 2>&1; grep -o tap7 /proc/net/dev; true";
  await using without = await script(text, { app: { isolators } });
  await using _ = collecting(without);
  assertMatch((await without.run()).stdout, /^none\ntunctl: .*\n$/);
  await using pod = await script(text, {
    app: { isolators },
    volumes: [{ name: "tun", kind: "host", source: TUN }],
    mounts: [{ volume: "tun", path: TUN }],
  });
  await using _again = collecting(pod);
  assertPrints(await pod.run(), "tap7\ntap7\n");
  assertEquals(Deno.readTextFileSync("/proc/net/dev").includes("tap7"), false);
});

scenario("with paths left as they are, devices are not fenced", {
  flavor: "isolated",
  needs: [LOOP_CONTROL_NEED],
}, async ({ script }) => {
  await using pod = await script(
    tryDevice("made", "mknod /tmp/control c 10 237 && : </tmp/control"),
  );
  await using _ = collecting(pod);
  assertPrints(await pod.run({ flags: { disable: ["paths"] } }), "made: yes\n");
});

scenario(
  "oom_score_adj is the app's, and not its supervisor's",
  { flavor: "isolated" },
  async ({ script }) => {
    const own = read("/proc/self/oom_score_adj");
    await using pod = await script("cat /proc/self/oom_score_adj; exec sleep 100", {
      app: { isolators: [{ name: "os/linux/oom-score-adj", value: 321 }] },
    });
    await using _ = collecting(pod);
    const program = await pod.start();
    await program.prints("321\n");
    assertEquals(read(`/proc/${program.pid}/oom_score_adj`), own);
  },
);

scenario(
  "a limit of traffic without a network is said to have no effect",
  { flavor: "isolated" },
  async ({ script }) => {
    const value = { default: true, limit: "1G" };
    const isolators = [{ name: "resource/network-bandwidth", value }];
    await using pod = await script("true", { app: { isolators } });
    await using _ = collecting(pod);
    const result = await pod.run();
    assertCode(result, 0);
    assertMatch(
      result.stderr,
      /^run: apps\[0\].*network-bandwidth\): not enforced: .*no network\n$/,
    );
  },
);

scenario(
  "what an app leaves running ends with it",
  { flavor: "isolated", needs: [TRACKER_NEED] },
  async ({ script }) => {
    await using pod = await script("sleep 100 >/dev/null 2>&1 & echo $!", {
      app: { eventHandlers: [{ name: "post-stop", exec: ["/bin/ps"] }] },
    });
    await using _ = collecting(pod);
    const result = await pod.run();
    assertCode(result, 0);
    assertEquals(/sleep 100/.test(result.stdout), false, result.stdout);
  },
);

scenario("a command that enters is in the app's cgroups", {
  flavor: "isolated",
  needs: [v1Need("memory"), TRACKER_NEED],
}, async ({ script }) => {
  await using pod = await script("exec sleep 100", { app: { isolators: [MEMORY] } });
  await using _ = collecting(pod);
  await pod.start();
  const command = pod.startEnter("app", ["/bin/sh", "-c", "echo up; exec sleep 100"]);
  await command.prints("up");
  for (const path of await cgroups(pod)) {
    assertEquals(read(`${path}/app-app/cgroup.procs`).split("\n").length, 2, path);
  }
});

const SYSCTL = "os/unix/sysctl";

scenario(
  "settings of the pod's own namespaces are the pod's",
  { flavor: "isolated" },
  async ({ script }) => {
    const host = read("/proc/sys/net/core/somaxconn");
    await using pod = await script(
      "cd /proc/sys && cat net/core/somaxconn kernel/msgmax fs/mqueue/msg_max",
    );
    await using _ = collecting(pod);
    await setPodIsolators(pod, [{
      name: SYSCTL,
      value: { "net.core.somaxconn": "77", "kernel.msgmax": "4096", "fs.mqueue.msg_max": "33" },
    }]);
    assertPrints(await pod.run(), "77\n4096\n33\n");
    assertEquals(read("/proc/sys/net/core/somaxconn"), host);
  },
);

scenario(
  "a setting that the kernel does not take is refused by its name",
  { flavor: "isolated" },
  async ({ script }) => {
    for (const name of ["net.core.no_such_setting", "net.core.somaxconn"]) {
      await using pod = await script("true");
      await using _ = collecting(pod);
      await setPodIsolators(pod, [{ name: SYSCTL, value: { [name]: "a word" } }]);
      assertRefused(await pod.run(), "run", new RegExp(`isolators\\[0\\].*${name}=a word: `));
    }
  },
);

scenario(
  "a setting of the whole host is refused unless it is so already",
  { flavor: "isolated" },
  async ({ script }) => {
    const actual = read("/proc/sys/vm/swappiness");
    await using same = await script("true");
    await using _same = collecting(same);
    await setPodIsolators(same, [{ name: SYSCTL, value: { "vm.swappiness": actual } }]);
    assertQuiet(await same.run());
    await using other = await script("true");
    await setPodIsolators(other, [{ name: SYSCTL, value: { "vm.swappiness": "1" } }]);
    assertRefused(await other.run(), "run", /vm\.swappiness=1 cannot be had.*on this host/);
    assertEquals(await cgroups(other), []);
  },
);

scenario(
  "an app cannot ask for what would be the whole pod's",
  { flavor: "isolated" },
  async ({ script }) => {
    const isolators = [{ name: SYSCTL, value: { "net.core.somaxconn": "77" } }];
    await using pod = await script("true", { app: { isolators } });
    assertRefused(await pod.run(), "run", /apps\[0\].*somaxconn=77 cannot be had.*the whole pod's/);
  },
);

scenario(
  "gc removes the cgroups, also those that were made in them",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("exec sleep 100", { app: { isolators: [MEMORY, CPU] } });
    await using _ = collecting(pod);
    const program = await pod.start();
    for (const path of await cgroups(pod)) {
      await Deno.mkdir(`${path}/app-app/one/two`, { recursive: true });
    }
    program.kill("SIGKILL");
    await program.result;
    assertQuiet(await pod.gc());
    assertEquals(await cgroups(pod), []);
    assertQuiet(await pod.gc());
  },
);

scenario(
  "gc ends what has come into the pod's cgroups from outside",
  { flavor: "isolated", needs: [TRACKER_NEED] },
  async ({ script }) => {
    await using pod = await script("true");
    await using _ = collecting(pod);
    await pod.run();
    const stranger = new Deno.Command("sleep", { args: ["100"] }).spawn();
    await Deno.writeTextFile(
      `${await cgroup(pod, TRACKER!)}/app-app/cgroup.procs`,
      `${stranger.pid}`,
    );
    assertQuiet(await pod.gc());
    assertEquals((await stranger.status).signal, "SIGKILL");
  },
);

scenario(
  "run can be killed at any moment, and gc leaves nothing",
  { flavor: "isolated" },
  async ({ script }) => {
    for (let delay = 0; delay <= 150; delay += 15) {
      await using pod = await script("sleep 100", { app: { isolators: [MEMORY, CPU] } });
      const program = await pod.launch();
      await sleep(delay);
      program.kill("SIGKILL");
      await program.result;
      const first = pod.readNumber("pid");
      assertQuiet(await pod.gc());
      assertEquals(await cgroups(pod), [], `killed after ${delay} ms`);
      await eventually("the pod's end", () => first === undefined || !isAlive(first));
    }
  },
);
