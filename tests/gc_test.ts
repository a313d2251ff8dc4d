/** Tests of `gc` on a pod that has ended. */

import { assert, assertEquals } from "@std/assert";
import { assertQuiet, assertRefused } from "./expect.ts";
import { eventually, mountTmpfs, must, SimulatedHost, sleep } from "./host.ts";
import { beyondCover, COVER_ROOT, inJail, MAKE_JAIL } from "./jail.ts";
import { isAlive, mountsUnder, readMounts, readProcess } from "./procfs.ts";
import { EVERY_KERNEL, type Need, scenario, type SimplePod } from "./scenario.ts";

/** A kernel by which a mount namespace is known when its app's own process has ended. */
const NUMBERED_MOUNTS: Need = { what: "Linux 6.11", met: isKernelFrom(6, 11) };

function isKernelFrom(major: number, minor: number): boolean {
  const [ownMajor = 0, ownMinor = 0] = Deno.osRelease().split(".").map((part) => parseInt(part));
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

/** Gives a pod so many mounts that some would be left if `gc` missed any. */
function manyVolumes(dir: string): SimplePod {
  const names = ["a", "b", "c", "d"];
  return {
    volumes: names.map((name) => ({ name, kind: "host", source: dir })),
    mounts: names.map((name) => ({ volume: name, path: `/volumes/${name}` })),
  };
}

scenario("gc of a pod that has ended is quiet", async ({ script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.run());
  const result = await pod.gc();
  assertQuiet(result);
  assertEquals(result.stdout, "");
  assertEquals(pod.foreignMounts(), []);
});

scenario("gc can be repeated", async ({ script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.run());
  for (let i = 0; i < 3; i++) assertQuiet(await pod.gc());
});

scenario("gc of a pod that never ran is quiet", async ({ script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.gc());
});

scenario("gc after a reboot finds no app, and is quiet", async ({ script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.run());
  for (const { path } of mountsUnder(pod.dir).reverse()) await must(["umount", path]);
  assertQuiet(await pod.gc());
});

scenario("gc ends what the app left behind", { kernels: EVERY_KERNEL }, async ({ script }) => {
  await using pod = await script("sleep 100 >/dev/null 2>&1 & echo $!");
  const orphan = Number((await pod.run()).stdout);
  assert(isAlive(orphan));
  assertQuiet(await pod.gc());
  await eventually("the orphan's end", () => !isAlive(orphan));
  assertEquals(await pod.isRunning(), false);
});

scenario(
  "gc ends what the app left behind after chroot",
  { kernels: EVERY_KERNEL },
  async ({ script }) => {
    const text = `${MAKE_JAIL}; ${inJail("sleep 100")} >/dev/null 2>&1 & echo $!`;
    await using pod = await script(text);
    const orphan = Number((await pod.run()).stdout);
    await eventually("its program", () => readProcess(orphan)?.argv[0] === "/bin/busybox");
    assertQuiet(await pod.gc());
    await eventually("the orphan's end", () => !isAlive(orphan));
    assertEquals(await pod.isRunning(), false);
  },
);

scenario(
  "gc ends what an app left behind that has covered its root",
  { needs: [NUMBERED_MOUNTS] },
  async ({ script }) => {
    const inside = "/bin/busybox sleep 100 & echo $!";
    await using pod = await script(`${MAKE_JAIL}; ${COVER_ROOT}; exec ${beyondCover(inside)}`);
    const orphan = Number((await pod.run()).stdout);
    await eventually("its program", () => readProcess(orphan)?.argv[0] === "/bin/busybox");
    assertQuiet(await pod.gc());
    await eventually("the orphan's end", () => !isAlive(orphan));
    assertEquals(await pod.isRunning(), false);
  },
);

scenario("gc unmounts what is left in the app's root", async ({ dir, script }) => {
  await using pod = await script("true");
  await Deno.mkdir(`${dir}/source`);
  await mountTmpfs(`${pod.appRootfs()}/one`);
  await mountTmpfs(`${pod.appRootfs()}/one/two`);
  await must(["mount", "--bind", `${dir}/source`, `${pod.appRootfs()}/home`]);
  assertEquals(pod.foreignMounts().length, 3);
  assertQuiet(await pod.gc());
  assertEquals(pod.foreignMounts(), []);
});

scenario("gc takes nothing of the host's with a shared copy of /dev", async ({ script }) => {
  await using pod = await script("true");
  await using host = await SimulatedHost.open();
  const outside = () => readMounts(host.pid).filter(({ path }) => !path.includes(pod.uuid));
  const before = outside();
  for (const path of ["/dev", "/proc", "/sys"]) {
    await must(["mount", "--rbind", path, `${pod.appRootfs()}${path}`], host);
  }
  assertQuiet(await pod.gc({ host }));
  assertEquals(outside(), before);
  const left = mountsUnder(pod.appRootfs(), host.pid).map(({ path }) => path);
  assertEquals(left, [pod.appRootfs()]);
});

scenario("gc leaves stage0's own mounts to stage0", async ({ stage0, script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.run());
  assertQuiet(await pod.gc());
  assertEquals(mountsUnder(pod.dir).length, stage0.overlay ? 2 : 0);
});

scenario("run can be killed at any moment, and gc leaves nothing", async ({ dir, script }) => {
  for (let delay = 0; delay <= 120; delay += 8) {
    await using pod = await script("sleep 100", manyVolumes(dir));
    const program = await pod.launch();
    await sleep(delay);
    program.kill("SIGKILL");
    await program.result;
    assertQuiet(await pod.gc());
    assertEquals(pod.foreignMounts(), [], `killed after ${delay} ms`);
    assertEquals(await pod.isRunning(), false);
  }
});

scenario("a run that is killed leaves the host as it was", async ({ dir, script }) => {
  for (let delay = 0; delay <= 120; delay += 24) {
    await using pod = await script("sleep 100", manyVolumes(dir));
    await using host = await SimulatedHost.open();
    const paths = () => readMounts(host.pid).map(({ path }) => path);
    const before = paths();
    const program = await pod.launch({ host });
    await sleep(delay);
    program.kill("SIGKILL");
    await program.result;
    assertEquals(paths(), before, `killed after ${delay} ms`);
  }
});

for (const args of [[], ["--local-config"], ["--colour"], ["not-a-uuid"]]) {
  scenario(`gc refuses ${JSON.stringify(args)} as arguments`, async ({ script }) => {
    await using pod = await script("true");
    assertRefused(await pod.gc({ args }), "gc", /./);
  });
}

/** What may stand in the place of a record that `run` has written, and what is said of it. */
const SPOILED_RECORDS: [
  name: string,
  what: string,
  spoil: (path: string) => unknown,
  why: RegExp,
][] = [
  [
    "processes",
    "cut off",
    (path) => Deno.writeTextFile(path, '{"boot":'),
    /^gc: processes: .*JSON/,
  ],
  [
    "processes",
    "of another form",
    (path) => Deno.writeTextFile(path, '{"boot":"","processes":[{"pid":1}]}'),
    /^gc: processes: not as run wrote it$/m,
  ],
  ["processes", "a directory", replaceByDirectory, /^gc: processes: .*directory/],
  ["cgroups", "a directory", replaceByDirectory, /^gc: cgroups: cannot be read: .*directory/],
];

async function replaceByDirectory(path: string): Promise<void> {
  await Deno.remove(path).catch(() => {});
  await Deno.mkdir(path);
}

for (const [name, what, spoil, why] of SPOILED_RECORDS) {
  scenario(
    `gc removes what it finds where the record ${name} is ${what}, and says so`,
    { flavor: "either" },
    async ({ script }) => {
      await using pod = await script("sleep 100 >/dev/null 2>&1 & echo $!; exec sleep 100");
      const program = await pod.start();
      await program.prints("\n");
      await mountTmpfs(`${pod.appRootfs()}/tmp`);
      Deno.kill(program.pid, "SIGKILL");
      await program.result;
      const path = () => `${pod.dir}/${name}`;
      const record = await Deno.readTextFile(path()).catch(() => undefined);
      await spoil(path());
      assertRefused(await pod.gc(), "gc", why);
      assertEquals(await pod.isRunning(), false);
      assertEquals(pod.foreignMounts(), []);
      // The cgroups that only the record tells of.
      await Deno.remove(path(), { recursive: true });
      if (record !== undefined) await Deno.writeTextFile(path(), record);
      assertQuiet(await pod.gc());
    },
  );
}
