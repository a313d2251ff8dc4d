/**
 * Tests of hostile pods: the kernel's file systems. Wherever an image's links at /proc, /sys and
 * /dev lead, no setting of the host can be written to, and files that tell of the host are empty.
 */

import { assertEquals } from "@std/assert";
import { assertCode, assertRefused, editJson } from "./expect.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { HOSTILE_PATTERN, patternAround } from "./hostile_pods/core_pattern.ts";
import {
  BY_DEFAULT,
  type Stance,
  WITH_PRIVATE_USERS,
  withCapability,
} from "./hostile_pods/stances.ts";
import type { FileSpec } from "./images.ts";
import { childrenOf, readMounts } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { Program } from "./stage0.ts";

/** Makes the same directories for both meanings of a path that climbs out of a link. */
function bothMeanings(mount: string): Record<string, FileSpec> {
  const directories = mount === "/proc"
    ? ["bus", "sys/net", "sys/kernel", "irq", "fs"]
    : mount === "/sys"
    ? ["block", "bus", "class", "dev", "devices", "kernel", "fs", "firmware", "module"]
    : ["pts", "shm"];
  const files: Record<string, FileSpec> = mount === "/proc"
    ? { "/fake/sys/kernel/hostname": "fake" }
    : {};
  return {
    "/tmp/x": { link: "/q/r/s" },
    "/q/r/s": { dir: true },
    "/q/fake": { dir: true },
    ...Object.fromEntries(directories.map((name) => [`/fake/${name}`, { dir: true }])),
    ...files,
  };
}

/** Targets of a link that an image has as `/proc`, `/sys` or `/dev`. */
const LINKS: [what: string, target: string][] = [
  ["a link that means one thing to the kernel and another to who builds", "/tmp/x/../../fake"],
  ["a relative link", "fake"],
  ["a relative link that climbs", "../../../tmp/x/../../fake"],
  ["an absolute link", "/q/fake"],
];

/** Writes to the core file setting by every path to it, and then stays. */
const WRITE_PATTERN = `
for root in /proc /q/fake /fake /tmp/x/../../fake /q/r/fake /q/r/s; do
  echo ${HOSTILE_PATTERN} >$root/sys/kernel/core_pattern
done 2>/dev/null
echo up
exec sleep 100`;

/** Waits until a pod's app is up; returns false if `run` has refused the pod. */
async function isUp(program: Program): Promise<boolean> {
  const up = program.prints("up").then(() => true, () => false);
  if (await up) return true;
  assertRefused(await program.result, "run", /\/(proc|sys|dev)/);
  return false;
}

/**
 * Lists the kernel's file systems that the pod's processes can write to, other than at their usual
 * paths.
 */
function strayMounts(program: Program): string[] {
  const processes = [program, ...childrenOf(program.pid)];
  const own = Deno.readLinkSync("/proc/self/ns/mnt");
  return processes
    .filter(({ pid }) => Deno.readLinkSync(`/proc/${pid}/ns/mnt`) !== own)
    .flatMap(({ pid }) => readMounts(pid))
    .filter(({ type, options }) => (type === "proc" || type === "sysfs") && options.includes("rw"))
    .map(({ path }) => path)
    // In the host's namespaces, only parts of /sys are protected.
    .filter((path) => !/^(\/proc|\/proc\/sys\/net|\/sys)$/.test(path));
}

/** Runs a pod whose image has these files, and whose app tries to write. */
async function plant(
  stage: Stage,
  { app, privateUsers }: Stance,
  files: Record<string, FileSpec>,
  protect: boolean,
): Promise<void> {
  const image = await hostileImage(stage, { files });
  const options = { image, app, ...privateUsers ? { privateUsers } : {} };
  await using pod = await stage.script(WRITE_PATTERN, options);
  if (protect) {
    await editJson(`${pod.dir}/pod`, (manifest) => {
      manifest.annotations.push({ name: "stage1-volo/protect-kernel-paths", value: "true" });
    });
  }
  let stray: string[] = [];
  const { before, after } = await patternAround(async () => {
    const program = await pod.launch();
    if (await isUp(program)) stray = strayMounts(program);
  });
  assertEquals({ pattern: after, stray }, { pattern: before, stray: [] });
}

for (const place of ["/proc", "/sys", "/dev"]) {
  for (const [what, target] of LINKS) {
    const files = { ...bothMeanings(place), [place]: { link: target } };
    scenario(
      `${what} at ${place} leaves nothing of the host's writable`,
      { flavor: "isolated", needs: COMPILER },
      (stage) => plant(stage, BY_DEFAULT, files, false),
    );
  }
  const [what, target] = LINKS[0]!;
  const files = { ...bothMeanings(place), [place]: { link: target } };
  scenario(
    `${what} at ${place} leaves nothing of the host's writable, with protected paths`,
    { needs: COMPILER },
    (stage) => plant(stage, BY_DEFAULT, files, true),
  );
}

/**
 * Paths that may be opened for writing: the app's own, settings of its own network, and triggers
 * that watch for pressure.
 */
const WRITABLE = [
  /^\/proc\/(self|thread-self|\d+)\//,
  /^\/proc\/sys\/net\//,
  /^\/proc\/pressure\//,
];

/** Paths among these that belong to the host all the same. */
const NOT_OF_NETWORK = [/nf_hooks_lwtunnel$/];

const STANCES = [BY_DEFAULT, WITH_PRIVATE_USERS, withCapability("CAP_DAC_READ_SEARCH")];

for (const stance of STANCES) {
  scenario(
    `nothing of the host's can be opened for writing, ${stance.what}`,
    { flavor: "isolated", needs: COMPILER },
    async (stage) => {
      const image = await hostileImage(stage);
      const { app, privateUsers } = stance;
      await using pod = await stage.pod({
        image,
        app: { ...app, exec: [HOSTILE, "list_writable", "/proc", "/sys"] },
        ...privateUsers ? { privateUsers } : {},
      });
      const result = await pod.run();
      assertCode(result, 0);
      const lines = result.stdout.trim().split("\n");
      assertEquals(lines.pop(), "listed");
      const allowed = (path: string) =>
        WRITABLE.some((it) => it.test(path)) && !NOT_OF_NETWORK.some((it) => it.test(path));
      assertEquals(lines.filter((path) => !allowed(path)), []);
    },
  );
}

/** Files that tell of the host, and directories of such files. */
const TELLING = [
  ...["keys", "timer_list", "interrupts", "kcore", "kallsyms", "config.gz"],
  ...["sched_debug", "latency_stats", "acpi", "scsi", "asound", "sysrq-trigger"],
].map((name) => `/proc/${name}`).concat([
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
  "/sys/devices/virtual/thermal",
  "/sys/devices/system/cpu/cpu0/thermal_throttle",
  "/sys/kernel/debug",
  "/sys/kernel/tracing",
]);

/** Prints each file that has content. */
const READ = `find ${TELLING.join(" ")} -type f 2>/dev/null | while read -r file; do
  test "$(head -c 1 "$file" 2>/dev/null | wc -c)" = 0 || echo "$file"
done`;

for (const stance of STANCES) {
  scenario(
    `what tells of the host is empty, ${stance.what}`,
    { flavor: "isolated" },
    async ({ script }) => {
      const { app, privateUsers } = stance;
      await using pod = await script(READ, { app, ...privateUsers ? { privateUsers } : {} });
      assertEquals((await pod.run()).stdout, "");
    },
  );
}
