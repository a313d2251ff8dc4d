/**
 * Tests of the paths in /proc and /sys that affect the whole machine: they are hidden or read-only,
 * whatever an image has in their place.
 */

import { assert, assertEquals } from "@std/assert";
import { assertPrints, editJson } from "./expect.ts";
import { processOf, startUp } from "./pod_processes.ts";
import { readMounts } from "./procfs.ts";
import { EVERY_KERNEL, scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

const UP = "echo up; exec sleep 100";

/** The ways in which an app may use a path. */
type Access = "hidden" | "read-only" | "writable";

/** Each kernel has only some of these paths; {@linkcode EVERYWHERE} names those that all have. */
const HIDDEN = [
  ...["/proc/acpi", "/proc/asound", "/proc/config.gz", "/proc/interrupts", "/proc/kallsyms"],
  ...["/proc/kcore", "/proc/keys", "/proc/kmem", "/proc/kpagecount", "/proc/latency_stats"],
  ...["/proc/mem", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats"],
  ...["/proc/vmallocinfo", "/sys/devices/system/cpu/cpu0/thermal_throttle"],
  ...["/sys/devices/virtual/powercap", "/sys/firmware", "/sys/fs", "/sys/hypervisor"],
  ...["/sys/kernel/debug", "/sys/kernel/security", "/sys/kernel/tracing", "/sys/module"],
  "/sys/power",
];
const READ_ONLY = [
  ...["/proc/apm", "/proc/bus", "/proc/bus/pci", "/proc/dynamic_debug", "/proc/fs", "/proc/irq"],
  ...["/proc/irq/default_smp_affinity", "/proc/mtrr", "/proc/sys", "/proc/sys/kernel/core_pattern"],
  ...["/proc/sysrq-trigger", "/sys/block", "/sys/bus", "/sys/class", "/sys/dev", "/sys/devices"],
  ...["/sys/devices/system/cpu/online", "/sys/kernel"],
];
const EVERYWHERE = [
  "/proc/keys",
  "/proc/timer_list",
  "/proc/interrupts",
  "/proc/irq",
  "/sys/power",
];

/** Finds out what a process may do with those paths that exist. */
function accesses(pid: number, paths: string[]): Record<string, Access> {
  const mounts = readMounts(pid);
  const isReadOnly = (path: string) => {
    const above = mounts.filter((it) => path === it.path || path.startsWith(`${it.path}/`));
    const longest = Math.max(...above.map((it) => it.path.length));
    return above.findLast((it) => it.path.length === longest)?.options.includes("ro");
  };
  const found = paths.flatMap((path): [string, Access][] => {
    const info = statIfThere(`/proc/${pid}/root${path}`);
    if (info === undefined) return [];
    const isNull = info.isCharDevice && info.rdev === (1 << 8 | 3);
    const isHidden = isNull || (info.mode! & 0o7777) === 0;
    return [[path, !isReadOnly(path) ? "writable" : isHidden ? "hidden" : "read-only"]];
  });
  return Object.fromEntries(found);
}

function statIfThere(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function assertProtected(pid: number, inOnesThatAreNot: string[]): void {
  const [hidden, readOnly] = [HIDDEN, READ_ONLY].map((paths) =>
    paths.filter((path) => inOnesThatAreNot.includes(path))
  );
  assertEquals(accesses(pid, hidden!), all(hidden!, "hidden"));
  assertEquals(accesses(pid, readOnly!), all(readOnly!, "read-only"));
}

/** Asserts that a process has a read-only view of cgroups, and nothing beside it in /sys/fs. */
function assertShowsCgroupsAlone(pid: number): void {
  const path = "/sys/fs";
  assertEquals(accesses(pid, [path]), { [path]: "read-only" });
  const entries = [...Deno.readDirSync(`/proc/${pid}/root${path}`)].map(({ name }) => name);
  assertEquals(entries, ["cgroup"]);
  const cgroups = readMounts(pid).filter((mount) => mount.path.startsWith(`${path}/cgroup`));
  assert(cgroups.length > 0);
  assertEquals(cgroups.filter(({ options }) => !options.includes("ro")), []);
}

function all(paths: string[], access: Access): Record<string, Access> {
  return Object.fromEntries(paths.map((path) => [path, access]));
}

/**
 * Returns those paths that exist for an unrestricted app, and asserts that none is hidden and some
 * exist on every kernel.
 */
function pathsThere(pid: number): string[] {
  const found = accesses(pid, [...HIDDEN, ...READ_ONLY]);
  assertEquals(Object.values(found).includes("hidden"), false, Deno.inspect(found));
  const paths = Object.keys(found);
  assertEquals(EVERYWHERE.filter((path) => !paths.includes(path)), []);
  return paths;
}

function firstProcess(pod: Pod): number {
  return Number(Deno.readTextFileSync(`${pod.dir}/pid`));
}

function annotate(pod: Pod, value: string): Promise<void> {
  return editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.annotations = [{ name: "stage1-volo/protect-kernel-paths", value }];
  });
}

scenario(
  "every app has the kernel's paths hidden or read-only, and so has pid 1",
  { flavor: "isolated", kernels: ["now", "5.11"] },
  async ({ scripts, script }) => {
    await using open = await script(UP);
    const there = pathsThere(
      processOf(await startUp(open, 1, { flags: { disable: ["paths"] } })),
    );
    await using pod = await scripts({ one: UP, two: UP });
    const program = await startUp(pod, 2);
    const pids = [processOf(program, "one"), processOf(program, "two"), firstProcess(pod)];
    for (const pid of pids) {
      assertProtected(pid, there.filter((path) => path !== "/sys/fs"));
      assertShowsCgroupsAlone(pid);
      assertEquals(readMounts(pid).flatMap(({ propagation }) => propagation), []);
    }
  },
);

scenario(
  "neither an app nor pid 1 has masks with --disable-paths",
  { flavor: "isolated" },
  async (stage) => {
    for (const how of ["argument", "annotation"]) {
      await using pod = await stage.script(UP);
      if (how === "annotation") await annotate(pod, "false");
      const flags = how === "argument" ? { disable: ["paths" as const] } : {};
      const program = await startUp(pod, 1, { flags });
      for (const pid of [processOf(program), firstProcess(pod)]) {
        const paths = readMounts(pid).map(({ path }) => path);
        assertEquals(paths.filter((path) => /^\/proc\/|^\/sys\/(?!fs\/cgroup)/.test(path)), []);
        assert(pathsThere(pid).length > 0);
      }
    }
  },
);

scenario(
  "an app of the host's has them so where its pod asks",
  { kernels: EVERY_KERNEL },
  async ({ script }) => {
    await using open = await script(UP);
    const before = await open.start();
    await before.prints("up");
    const there = pathsThere(before.pid);
    await using pod = await script(UP);
    await annotate(pod, "true");
    const program = await pod.start();
    await program.prints("up");
    assertProtected(program.pid, there);
  },
);

/** Returns a command that tries to write a file's own content to it. */
function rewrite(path: string): string {
  return `(v=$(cat ${path}) && echo "$v" >${path}) 2>&1 | sed "s/.*: //"; echo ${path}`;
}

scenario(
  "only what is of the pod's own network can be set",
  { flavor: "isolated" },
  async ({ script }) => {
    const own = "/proc/sys/net/ipv4/ip_default_ttl";
    const shared = "/proc/sys/net/netfilter/nf_hooks_lwtunnel";
    const irq = "/proc/irq/default_smp_affinity";
    const isThere = statIfThere(shared) !== undefined;
    await using pod = await script(
      [own, irq, ...(isThere ? [shared] : [])].map(rewrite).join("; "),
    );
    const refused = (path: string) => `Read-only file system\n${path}\n`;
    assertPrints(await pod.run(), `${own}\n${refused(irq)}${isThere ? refused(shared) : ""}`);
  },
);

scenario(
  "what is hidden is empty, and is not to be opened by users",
  { flavor: "isolated" },
  async (stage) => {
    const look = "cat /proc/keys /proc/timer_list; ls -A /sys/power /sys/module; echo looked";
    await using pod = await stage.script(look);
    assertPrints(await pod.run(), "/sys/module:\n\n/sys/power:\nlooked\n");
    await using ofUser = await stage.script(`(${look}) 2>&1 | grep -c denied`, {
      app: { user: "volo", group: "volo" },
    });
    assertPrints(await ofUser.run(), "4\n");
  },
);

/**
 * Files with which an image leads /tmp into /proc: what `run` makes there after it has mounted
 * /proc would be made in /proc.
 */
const DETOURS = {
  "/tmp": { link: "/proc/sys/kernel" },
  "/etc/hostname": null,
  "/etc/hosts": null,
} as const;

scenario(
  "an image that leads /tmp into /proc gains nothing",
  { flavor: "isolated" },
  async (stage) => {
    const text = "cat /etc/hostname; (: >/proc/sys/vm/swappiness) 2>/dev/null || echo refused; " +
      "touch /tmp/new 2>/dev/null || echo nothing new; : >/dev/console && echo console";
    await using pod = await stage.script(text, { image: await stage.image({ files: DETOURS }) });
    assertPrints(
      await pod.run({ flags: { hostname: "own" } }),
      "own\nrefused\nnothing new\nconsole\n",
    );
  },
);

scenario("nor does one whose pod is in the host's namespaces", async (stage) => {
  const text = "(: >/proc/sys/vm/swappiness) 2>/dev/null || echo refused; ls /proc/sys/kernel";
  await using pod = await stage.script(text, { image: await stage.image({ files: DETOURS }) });
  await annotate(pod, "true");
  assertPrints(await pod.run(), "refused\n");
});

scenario(
  "a mount point of the image's opens no setting to writing",
  { flavor: "isolated" },
  async (stage) => {
    const mountPoints = [{ name: "settings", path: "/srv/../proc/sys" }];
    await using pod = await stage.script(
      "(: >/proc/sys/vm/swappiness) 2>/dev/null || echo refused; test -e /proc/sys/vm && echo there",
      { image: await stage.image({ app: { mountPoints } }), app: { mountPoints } },
    );
    await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
      manifest.annotations = [{ name: "appc.io/docker/repository", value: "library/app" }];
    });
    assertPrints(await pod.run(), "refused\nthere\n");
  },
);

scenario(
  "a volume in the place of /dev is not written to",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await Deno.mkdir(`${dir}/source`);
    await using pod = await script("ls /dev", {
      volumes: [{ name: "data", kind: "host", source: `${dir}/source` }],
      mounts: [{ volume: "data", path: "/dev" }],
    });
    assertPrints(await pod.run(), "");
    assertEquals([...Deno.readDirSync(`${dir}/source`)], []);
  },
);
