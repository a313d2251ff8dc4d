/** Tests of what is left in the pod of an app that was removed, or not added to its end. */

import { assertEquals } from "@std/assert";
import { assertCode, assertQuiet } from "./expect.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

/** What the pod's own root and its files have of apps. */
function remainsIn(pod: Pod): string[] {
  const pid = Deno.readTextFileSync(`${pod.dir}/pid`).trim();
  const files = [
    `/proc/${pid}/root/syslog`,
    ...["credentials", "env"].map((name) => `${pod.stage1Rootfs}/rkt/${name}`),
  ].flatMap(namesIn);
  const cgroups = findPodCgroups([pod.uuid]).flatMap(namesIn)
    .filter((name) => name.startsWith("app-"));
  return [...files, ...cgroups];
}

function namesIn(directory: string): string[] {
  return [...Deno.readDirSync(directory)].map(({ name }) => name);
}

scenario(
  "an app that is removed leaves nothing of its own in the pod",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.stage0.sandbox({});
    const run = await pod.startSandbox({});
    const app = { image: await stage.image({}), name: "app", app: { exec: ["/bin/true"] } };
    const before = remainsIn(pod);
    for (let i = 0; i < 2; i++) {
      assertQuiet(await pod.apps.add(app));
      assertEquals(remainsIn(pod).length > before.length, true);
      assertQuiet(await pod.apps.start("app"));
      assertCode(await pod.apps.rm("app"), 0);
      assertEquals(remainsIn(pod), before);
    }
    const nobody = { ...app, app: { ...app.app, user: "nobody-knows" } };
    assertCode(await pod.apps.add(nobody), 254);
    assertCode(await pod.apps.rm("app"), 0);
    assertEquals(remainsIn(pod), before);
    assertQuiet(await pod.stop());
    assertCode(await run.result, 0);
  },
);
