/** Tests of hostile pods: volumes. `run` mounts the very source that it has checked. */

import { COMPILER, HOSTILE, hostileImage, SPOILS } from "./hostile_pods/attackers.ts";
import { layBait } from "./hostile_pods/bait.ts";
import { startUp } from "./pod_processes.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** How many times a pod is started while its volume's source changes. */
const TRIES = 25;

/** Copies the content of a volume that may be the host's root, and leaves a file there. */
function plunder(bait: string): string {
  return `cat /v${bait}/secret >>${SPOILS}/loot; touch /v${bait}/reached; true`;
}

/** Starts a pod whose app has a directory of the host as its volume. */
async function withVolume(
  { stage0 }: Stage,
  image: string,
  source: string,
  exec: [string, ...string[]],
): Promise<Pod> {
  return await stage0.prepare({
    apps: [{ image, name: "app", app: { exec }, mounts: [{ volume: "v", path: "/v" }] }],
    volumes: [{ name: "v", kind: "host", source }],
  });
}

scenario("a volume whose source is exchanged is never the host's root", {
  flavor: "either",
  needs: COMPILER,
}, async (stage) => {
  const bait = await layBait(stage.dir);
  const image = await hostileImage(stage);
  const source = `${stage.dir}/source`;
  await Deno.mkdir(source);
  await using attacker = await withVolume(stage, image, source, [HOSTILE, "exchange", "/v", "/"]);
  await startUp(attacker);
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const exec: [string, ...string[]] = ["/bin/sh", "-c", plunder(bait.path)];
    await using pod = await withVolume(stage, image, `${source}/work`, exec);
    // A refusal is as good.
    await pod.run();
    bait.assertUntouched(pod);
  }
});
