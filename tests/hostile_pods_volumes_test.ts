/** Tests of hostile pods: volumes. `run` mounts the very source that it has checked. */

import { assertEquals } from "@std/assert";
import { editJson } from "./expect.ts";
import { SimulatedHost } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage, SPOILS } from "./hostile_pods/attackers.ts";
import { layBait } from "./hostile_pods/bait.ts";
import { startUp } from "./pod_processes.ts";
import { readMounts } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { Pod, Volume } from "./stage0.ts";

/** How many times a pod is started while its volume's source changes. */
const TRIES = 25;

/** Copies the content of a volume that may be the host's root, and leaves a file there. */
function plunder(bait: string): string {
  return `cat /v${bait}/secret >>${SPOILS}/loot; touch /v${bait}/reached; true`;
}

/** Composes a pod whose app has a directory of the host as its volume. */
async function withVolume(
  { stage0 }: Stage,
  image: string,
  source: Omit<Volume, "name" | "kind">,
  exec: [string, ...string[]],
): Promise<Pod> {
  return await stage0.prepare({
    apps: [{ image, name: "app", app: { exec }, mounts: [{ volume: "v", path: "/v" }] }],
    volumes: [{ name: "v", kind: "host", ...source }],
  });
}

/**
 * Has an attacker exchange a directory for a link to the host's root, all the time, and starts pods
 * that have it as their volume, one after another.
 *
 * @param refusesLinks Whether these pods ask for links to be refused.
 * @param text What their apps do.
 */
async function exchangeSource(
  stage: Stage,
  volume: Partial<Volume>,
  refusesLinks: boolean,
  text: (bait: string) => string,
): Promise<void> {
  const bait = await layBait(stage.dir);
  const image = await hostileImage(stage);
  const source = `${stage.dir}/source`;
  await Deno.mkdir(source);
  const exchange: [string, ...string[]] = [HOSTILE, "exchange", "/v", "/"];
  await using attacker = await withVolume(stage, image, { source }, exchange);
  await startUp(attacker);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const work = { ...volume, source: `${source}/work` };
    await using pod = await withVolume(stage, image, work, ["/bin/sh", "-c", text(bait.path)]);
    if (refusesLinks) {
      await editJson(`${pod.dir}/pod`, (manifest) => {
        manifest.annotations = [{ name: "stage1-volo/follow-volume-links", value: "false" }];
      });
    }
    // A refusal is as good.
    await pod.run();
    bait.assertUntouched(pod);
  }
}

scenario("where links are refused, a volume whose source is exchanged is never the host's root", {
  flavor: "either",
  needs: COMPILER,
}, async (stage) => await exchangeSource(stage, {}, true, plunder));

/** Tries to leave a file in a volume that may be the host's root. */
function spoil(bait: string): string {
  return `touch /v${bait}/reached; true`;
}

scenario("where links are followed, a read-only volume is read-only whatever it is exchanged for", {
  flavor: "either",
  needs: COMPILER,
}, async (stage) => await exchangeSource(stage, { readOnly: true }, false, spoil));

scenario("a target that is exchanged is never a place on the host", {
  flavor: "either",
  needs: COMPILER,
}, async (stage) => {
  const bait = await layBait(stage.dir);
  const image = await hostileImage(stage);
  const shared = `${stage.dir}/shared`;
  const inner = `${stage.dir}/inner`;
  await Deno.mkdir(`${shared}/work/deep`, { recursive: true });
  await Deno.mkdir(inner);
  const exchange: [string, ...string[]] = [HOSTILE, "exchange", "/v", bait.path];
  await using attacker = await withVolume(stage, image, { source: shared }, exchange);
  await startUp(attacker);
  await using host = await SimulatedHost.open();
  const paths = () => readMounts(host.pid).map(({ path }) => path);
  const before = paths();
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const exec = ["/bin/sh", "-c", `touch /v/work/deep/reached; true`];
    await using pod = await stage.stage0.prepare({
      apps: [{
        image,
        name: "app",
        app: { exec },
        mounts: [{ volume: "inner", path: "/v/work/deep" }, { volume: "v", path: "/v" }],
      }],
      volumes: [
        { name: "v", kind: "host", source: shared },
        { name: "inner", kind: "host", source: inner },
      ],
    });
    // A refusal is as good.
    await pod.run({ host });
    bait.assertUntouched(pod);
    assertEquals(paths(), before);
  }
});

scenario("who exchanges a directory for a link has nothing made in another volume", {
  flavor: "either",
  needs: COMPILER,
}, async (stage) => {
  const image = await hostileImage(stage);
  const source = (name: string) => `${stage.dir}/${name}`;
  for (const name of ["shared", "other", "inner"]) await Deno.mkdir(source(name));
  const exchange: [string, ...string[]] = [HOSTILE, "exchange", "/v", "/other/new"];
  await using attacker = await withVolume(stage, image, { source: source("shared") }, exchange);
  await startUp(attacker);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    await using pod = await stage.stage0.prepare({
      apps: [{
        image,
        name: "app",
        app: { exec: ["/bin/true"] },
        mounts: [
          { volume: "shared", path: "/shared" },
          { volume: "other", path: "/other" },
          { volume: "inner", path: `/shared/work/${attempt}` },
        ],
      }],
      volumes: ["shared", "other", "inner"].map((name) => ({
        name,
        kind: "host",
        source: source(name),
      })),
    });
    // A refusal is as good.
    await pod.run();
    assertEquals([...Deno.readDirSync(source("other"))].map(({ name }) => name), []);
  }
});

scenario("who exchanges a target that is made in a volume opens nobody's directory", {
  flavor: "either",
  needs: COMPILER,
}, async (stage) => {
  const image = await hostileImage(stage);
  const shared = `${stage.dir}/shared`;
  const inner = `${stage.dir}/inner`;
  for (const directory of [shared, inner]) await Deno.mkdir(directory);
  await Deno.chmod(shared, 0o777);
  await using attacker = await stage.stage0.prepare({
    apps: [{
      image,
      name: "app",
      app: { user: "1000", group: "1000", exec: [HOSTILE, "exchange_made", "/v"] },
      mounts: [{ volume: "v", path: "/v" }],
    }],
    volumes: [{ name: "v", kind: "host", source: shared }],
  });
  await startUp(attacker);
  for (let attempt = 0; attempt < 6; attempt++) {
    const own = `${shared}/private`;
    await Deno.mkdir(own, { mode: 0o700 });
    const { ino } = await Deno.stat(own);
    await using pod = await stage.stage0.prepare({
      apps: [{
        image,
        name: "app",
        app: { exec: ["/bin/true"] },
        mounts: [{ volume: "v", path: "/v" }, { volume: "inner", path: "/v/work" }],
      }],
      volumes: [
        { name: "v", kind: "host", source: shared },
        { name: "inner", kind: "host", source: inner },
      ],
    });
    // A refusal is as good.
    await pod.run();
    const found = ["work", "private"].map((name) => Deno.statSync(`${shared}/${name}`));
    assertEquals(found.find((it) => it.ino === ino)!.mode! & 0o777, 0o700);
    for (const name of ["work", "private"]) await Deno.remove(`${shared}/${name}`);
  }
});
