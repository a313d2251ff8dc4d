/**
 * Tests of the limits that apps of an isolated pod see: their own cgroups, as the first ones of
 * each hierarchy, and what runtimes make of them.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertQuiet, editJson } from "./expect.ts";
import { type Host, which } from "./host.ts";
import { childrenOf, readMounts } from "./procfs.ts";
import { type Need, scenario, type SimplePod, type Stage } from "./scenario.ts";

const MEMORY = { name: "resource/memory", value: { limit: "128Mi" } };
const CPU = { name: "resource/cpu", value: { limit: "1000m" } };
const LIMIT = 128 * 1024 * 1024;

/** Finds the mount of cgroup v1 that has a controller. */
function v1(controller: string): string | undefined {
  return readMounts().find(({ type, path }) =>
    type === "cgroup" && path.split("/").at(-1)!.split(",").includes(controller)
  )?.path;
}

function v1Need(...controllers: string[]): Need {
  const what = `${controllers.join(", ")} in cgroup v1`;
  return { what, met: controllers.every((controller) => v1(controller) !== undefined) };
}

/** This machine's programs and libraries, as read-only volumes. */
function machineVolumes(...sources: string[]): Pick<SimplePod, "volumes" | "mounts"> {
  const named = sources.map((source, i) => ({ name: `machine-${i}`, source }));
  return {
    volumes: named.map(({ name, source }) => ({ name, kind: "host", source, readOnly: true })),
    mounts: named.map(({ name, source }) => ({ volume: name, path: source })),
  };
}

const LIBRARIES = ["/usr", "/lib", "/lib64"];

/** The cgroup file systems that a process sees, by their place and their root. */
function cgroupMounts(pid: number): Record<string, string> {
  const lines = Deno.readTextFileSync(`/proc/${pid}/mountinfo`).split("\n");
  const fields = lines.filter((line) => / - cgroup2? /.test(line)).map((line) => line.split(" "));
  return Object.fromEntries(fields.map(([, , , root, place]) => [place, root]));
}

scenario("an app's own cgroup is the first that it sees, with its limits", {
  flavor: "isolated",
  needs: [v1Need("memory", "cpu", "freezer")],
}, async ({ script }) => {
  await using pod = await script(
    `grep -e memory -e freezer /proc/self/cgroup | cut -d: -f2-
    cd /sys/fs/cgroup
    cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us
    wc -l <memory/cgroup.procs
    grep ' - cgroup ' /proc/self/mountinfo | cut -d' ' -f4,5 | sort -u | grep memory
    ls -A /sys/fs`,
    { app: { isolators: [MEMORY, CPU] } },
  );
  const result = await pod.run();
  assertQuiet(result);
  const lines = result.stdout.trimEnd().split("\n");
  assertEquals(lines.slice(0, 2).toSorted(), ["freezer:/", "memory:/"]);
  // The shell, and what counts the lines.
  assertMatch(lines[4]!, /^[23]$/);
  assertEquals([...lines.slice(2, 4), ...lines.slice(5)], [
    ...[`${LIMIT}`, "100000"],
    "/ /sys/fs/cgroup/memory",
    "cgroup",
  ]);
});

scenario("of several apps each sees its own cgroup and limit alone", {
  flavor: "isolated",
  needs: [v1Need("memory")],
}, async ({ scripts }) => {
  const look = `cd /sys/fs/cgroup && echo "$(cat memory/memory.limit_in_bytes)" \
    "$(find memory/ -mindepth 1 -type d)" "$(cut -d: -f3 /proc/self/cgroup | sort -u)"
    exec sleep 100`;
  await using pod = await scripts({ one: look, two: look });
  await editJson(`${pod.dir}/pod`, ({ apps }) => {
    apps[0].app.isolators = [MEMORY];
    apps[1].app.isolators = [{ name: "resource/memory", value: { limit: "64Mi" } }];
  });
  const program = await pod.start();
  await program.prints(`${LIMIT}  /\n`);
  await program.prints(`${LIMIT / 2}  /\n`);
});

scenario("with users of the pod's own, an app sees its limits, and no more than these", {
  flavor: "isolated",
  needs: [v1Need("memory")],
}, async ({ script }) => {
  await using pod = await script(
    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes; exec sleep 100",
    { app: { isolators: [MEMORY] }, privateUsers: "200000:65536" },
  );
  const program = await pod.start();
  await program.prints(`${LIMIT}\n`);
  const [pid] = childrenOf(program.pid).map((child) => child.pid)
    .filter((pid) => pid !== pod.readNumber("pid"));
  // Seen from the host, the root is the app's cgroup.
  for (const root of Object.values(cgroupMounts(pid!))) assertMatch(root, /\/app-app$/);
});

scenario("what an app sees of its cgroups is read-only, and has nothing to execute", {
  flavor: "isolated",
  kernels: ["now", "5.11"],
}, async ({ script }) => {
  await using pod = await script("echo up; exec sleep 100", { app: { isolators: [MEMORY] } });
  const program = await pod.start();
  await program.prints("up");
  const pids = childrenOf(program.pid).map(({ pid }) => pid);
  assertEquals(pids.length, 2);
  for (const pid of pids) {
    const seen = readMounts(pid).filter(({ type }) => /^cgroup2?$/.test(type));
    assert(seen.length > 0);
    for (const { path, options } of seen) {
      for (const option of ["ro", "nosuid", "nodev", "noexec"]) {
        assert(options.includes(option), `${path}: ${options}`);
      }
    }
    // None is below another one.
    assertEquals(new Set(seen.map(({ path }) => path)).size, seen.length);
  }
});

/** A host of its own, on which a command has been run first. */
function hostAfter(command: string): Host {
  const prepare = `${command} && exec "$@"`;
  const own = ["unshare", "--mount", "--propagation", "private", "sh", "-c", prepare, "sh"];
  return { wrap: (argv) => [...own, ...argv] };
}

scenario("an app begins without what the host lets nobody mount, or make", {
  flavor: "isolated",
  needs: [v1Need("memory", "freezer")],
}, async ({ script }) => {
  const hosts = [
    [`mount --make-unbindable ${v1("memory")}`, "no limit", "freezer"],
    [`mount -o remount,ro,bind ${v1("freezer")}`, `${LIMIT}`, "no freezer"],
  ];
  for (const [command, limit, freezer] of hosts) {
    await using pod = await script(
      `cd /sys/fs/cgroup
      cat memory/memory.limit_in_bytes 2>/dev/null || echo no limit
      test -e freezer/cgroup.procs && echo freezer || echo no freezer`,
      { app: { isolators: [MEMORY] } },
    );
    const result = await pod.run({ host: hostAfter(command!) });
    await pod.gc();
    assertCode(result, 0);
    assertEquals(result.stdout, `${limit}\n${freezer}\n`);
  }
});

scenario("a command that enters sees the app's cgroups as the app does", {
  flavor: "isolated",
  needs: [v1Need("memory")],
}, async ({ script }) => {
  await using pod = await script("exec sleep 100", { app: { isolators: [MEMORY] } });
  await pod.start();
  const look = "readlink /proc/1/ns/cgroup /proc/self/ns/cgroup | sort -u | wc -l; " +
    "cut -d: -f3 /proc/self/cgroup | sort -u; cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
  const result = await pod.enter("app", ["/bin/sh", "-c", look]);
  assertCode(result, 0);
  assertMatch(result.stdout, new RegExp(`\\n/\\n${LIMIT}\\n$`));
});

/** Runs programs of this machine in a pod that has so much memory, and one processor. */
async function runHere({ script }: Stage, text: string, ...more: string[]): Promise<string> {
  const isolators = [MEMORY, CPU];
  await using pod = await script(text, {
    app: { isolators },
    ...machineVolumes(...LIBRARIES, ...more),
  });
  const result = await pod.run();
  assertCode(result, 0);
  return result.stdout;
}

const NODE = which("node");

scenario("Node finds its memory limit", {
  flavor: "isolated",
  needs: [v1Need("memory"), { what: "node in /usr", met: NODE?.startsWith("/usr/") ?? false }],
}, async (stage) => {
  const found = await runHere(stage, `exec ${NODE} -p 'process.constrainedMemory()'`);
  assertEquals(found, `${LIMIT}\n`);
});

const JAVA = which("java");

scenario("the JVM finds its memory and its processors", {
  flavor: "isolated",
  needs: [
    v1Need("memory", "cpu", "cpuacct", "cpuset"),
    { what: "java in /usr", met: JAVA?.startsWith("/usr/") ?? false },
  ],
}, async (stage) => {
  const command = `exec ${Deno.realPathSync(JAVA!)} -XshowSettings:system -version 2>&1`;
  const found = await runHere(stage, command);
  assertMatch(found, /Provider: cgroupv1$/m);
  assertMatch(found, /Memory Limit: 128\.00M$/m);
  assertMatch(found, /Effective CPU Count: 1$/m);
});
