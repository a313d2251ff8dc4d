/** Tests of mounts that propagate between the host and a pod, and of those that must not. */

import { assert, assertEquals } from "@std/assert";
import { assertCode, assertPrints } from "./expect.ts";
import { eventually, mountTmpfs, must, SimulatedHost } from "./host.ts";
import { isAlive, mountsUnder, readMounts } from "./procfs.ts";
import { EVERY_KERNEL, scenario, type SimplePod } from "./scenario.ts";

const PROPAGATIONS = ["shared", "private"] as const;

/** Lists the mounts of a host and their propagation. */
function describeMounts(host: SimulatedHost): string[] {
  return readMounts(host.pid).map(({ id, path, propagation }) => `${id} ${path} ${propagation}`);
}

function recursiveVolume(source: string): SimplePod {
  return {
    volumes: [{ name: "data", kind: "host", source, recursive: true }],
    mounts: [{ volume: "data", path: "/data" }],
  };
}

for (const propagation of PROPAGATIONS) {
  scenario(
    `a pod changes no mount of a host whose mounts are ${propagation}`,
    { kernels: EVERY_KERNEL },
    async (stage) => {
      await using pod = await stage.script("mount -t tmpfs tmpfs /dev/shm && echo up && sleep 100");
      await using host = await SimulatedHost.open(propagation);
      const before = describeMounts(host);
      const program = await pod.start({ host });
      await program.prints("up");
      assertEquals(describeMounts(host), before);
      program.kill("SIGKILL");
      await program.result;
      assertEquals(describeMounts(host), before);
    },
  );

  scenario(
    `what a ${propagation} host mounts later in a volume appears`,
    { kernels: EVERY_KERNEL },
    async ({ dir, script }) => {
      const source = `${dir}/source`;
      await Deno.mkdir(`${source}/late`, { recursive: true });
      const wait =
        "echo up; until test -e /data/late/file; do sleep .01; done; cat /data/late/file";
      await using pod = await script(wait, recursiveVolume(source));
      await using host = await SimulatedHost.open(propagation);
      const program = await pod.start({ host });
      await program.prints("up");
      await must(["mount", "-t", "tmpfs", "tmpfs", `${source}/late`], host);
      await must(["sh", "-c", `echo late >${source}/late/file`], host);
      assertPrints(await program.result, "up\nlate\n");
    },
  );

  scenario(`what the app mounts in a mount of a ${propagation} host appears`, {
    kernels: EVERY_KERNEL,
  }, async (stage) => {
    const source = `${stage.dir}/source`;
    const text = "mkdir /data/inner && mount -t tmpfs tmpfs /data/inner && echo up && sleep 100";
    await Deno.mkdir(source);
    await using pod = await stage.script(text, recursiveVolume(source));
    await using host = await SimulatedHost.open(propagation);
    await mountTmpfs(source, host);
    const program = await pod.start({ host });
    await program.prints("up");
    const here = mountsUnder(source, host.pid).map(({ path }) => path);
    assertEquals(here, [source, `${source}/inner`]);
  });
}

const TRACEFS = {
  what: "debugfs, in which the kernel mounts tracefs on demand",
  met: ["debugfs", "tracefs"].every((name) =>
    Deno.readTextFileSync("/proc/filesystems").includes(`\t${name}\n`)
  ),
};

scenario(
  "a volume in a mount that the host makes on the way to it is shared",
  { needs: [TRACEFS] },
  async ({ dir, script }) => {
    const debug = `${dir}/debug`;
    await Deno.mkdir(debug);
    await using pod = await script(
      "echo up; sleep 100",
      recursiveVolume(`${debug}/tracing/events`),
    );
    await using host = await SimulatedHost.open("private");
    await must(["mount", "-t", "debugfs", "debugfs", debug], host);
    const mounts = () => mountsUnder(`${debug}/tracing`, host.pid);
    assertEquals(mounts(), []);
    const program = await pod.start({ host });
    await program.prints("up");
    const isShared = mounts().map(({ propagation }) =>
      propagation.some((it) => /^shared/.test(it))
    );
    assertEquals(isShared, [true]);
  },
);

scenario(
  "what the app mounts outside its volumes stays inside",
  { kernels: EVERY_KERNEL },
  async ({ script }) => {
    await using pod = await script(
      "mkdir /inner && mount -t tmpfs tmpfs /inner && echo up && sleep 100",
    );
    await using host = await SimulatedHost.open();
    const program = await pod.start({ host });
    await program.prints("up");
    assertEquals(readMounts(host.pid).filter(({ path }) => path.endsWith("/inner")), []);
  },
);

scenario(
  "a volume inside another does not reach the host",
  { kernels: EVERY_KERNEL },
  async ({ dir, script }) => {
    await Deno.mkdir(`${dir}/outer/inner`, { recursive: true });
    await Deno.mkdir(`${dir}/other`);
    await using pod = await script("true", {
      volumes: [
        { name: "outer", kind: "host", source: `${dir}/outer` },
        { name: "other", kind: "host", source: `${dir}/other` },
      ],
      mounts: [
        { volume: "outer", path: "/data" },
        { volume: "other", path: "/data/inner" },
      ],
    });
    await using host = await SimulatedHost.open();
    const before = describeMounts(host);
    assertCode(await pod.run({ host }), 0);
    assertEquals(describeMounts(host), before);
  },
);

scenario(
  "what the host unmounts is unmounted in the pod as well",
  { kernels: EVERY_KERNEL },
  async ({ dir, script }) => {
    const source = `${dir}/source`;
    await Deno.mkdir(source);
    const wait = "echo up; while test -e /data/inner/file; do sleep .01; done; echo gone";
    await using pod = await script(wait, recursiveVolume(source));
    await using host = await SimulatedHost.open();
    await mountTmpfs(`${source}/inner`, host);
    await must(["touch", `${source}/inner/file`], host);
    const program = await pod.start({ host });
    await program.prints("up");
    await must(["umount", `${source}/inner`], host);
    assertPrints(await program.result, "up\ngone\n");
  },
);

scenario("collecting a killed pod leaves the host's mounts in place", async ({ script }) => {
  await using pod = await script("sleep 100");
  await using host = await SimulatedHost.open();
  const outside = () => readMounts(host.pid).filter(({ path }) => !path.includes(pod.uuid));
  const before = outside();
  const program = await pod.start({ host });
  program.kill("SIGKILL");
  await program.result;
  await eventually("the app's end", () => !isAlive(program.pid));
  assertCode(await pod.gc({ host }), 0);
  for (const { path } of mountsUnder(pod.dir, host.pid).reverse()) {
    await must(["umount", path], host);
  }
  assertEquals(outside(), before);
  assert(before.some(({ path }) => path === "/dev/pts"));
});
