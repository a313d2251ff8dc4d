/** Tests of hostile pods: whoever attacks `/dev/log` reaches the own log alone. */

import { assert, assertEquals } from "@std/assert";
import { assertQuiet } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { annotateApp } from "./journal.ts";
import { pathsHeldBy, readStatus } from "./procfs.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

const SIZE = 256 * 1024;

const REFUSED = "a message to /dev/log has files attached: nothing more is logged from there";

/** The files of an app's log. */
function logFiles({ dir }: Pod, app: string): string[] {
  return [...Deno.readDirSync(`${dir}/log`)].map(({ name }) => name)
    .filter((name) => name.startsWith(`${app}.log`)).map((name) => `${dir}/log/${name}`);
}

scenario(
  "who floods /dev/log fills the own log, up to its bounds",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const image = await hostileImage(stage);
    await using pod = await stage.stage0.prepare({
      apps: [
        { image, name: "bad", app: { exec: [HOSTILE, "flood_syslog"] } },
        {
          image,
          name: "good",
          app: { exec: ["/bin/sh", "-c", "sleep 1; logger -t me hello; exec sleep 100"] },
        },
      ],
    });
    await annotateApp(pod, {
      "stage1-volo/log-format": "cri",
      "stage1-volo/log-size": `${SIZE}`,
    });
    const program = await pod.start();
    await eventually(
      "the flood, and two full files",
      () => program.stdout.includes("flooded") && logFiles(pod, "bad").length === 2,
    );
    await eventually("the message of the other app", () => logFiles(pod, "good").length === 1);
    const first = pathsHeldBy(program.pid).length;
    for (let look = 0; look < 10; look++) {
      const held = pathsHeldBy(program.pid);
      assertEquals(held.filter((path) => path.includes("attached")), []);
      assert(held.length <= first + 1, held.join("\n"));
      await sleep(50);
    }
    assert(Number(readStatus(program.pid)["VmRSS"]!.split(" ")[0]) < 300_000);
    const before = Date.now();
    await pod.stop();
    const { stdout, stderr } = await program.result;
    assert(Date.now() - before < 15_000);
    assertEquals(stderr, "");
    const printed = stdout.trimEnd().split("\n").map((line) => line.replace(/^.*?\]: /, ""));
    assertEquals([...new Set(printed)], ["flooded"]);
    for (const file of logFiles(pod, "bad")) {
      const text = await Deno.readTextFile(file);
      assert(text.length <= SIZE, file);
      const foreign = text.replace(/\n$/, "").split("\n")
        .filter((line) => !/^\d{4}-\d\d-\d\dT\S{18}Z (stderr [FP] |stdout F flooded$)/.test(line));
      assertEquals(foreign, []);
    }
    const good = await Deno.readTextFile(`${pod.dir}/log/good.log`);
    assertEquals(good.trimEnd().split(" ").slice(-2), ["me:", "hello"]);
  },
);

scenario(
  "an app that sends /dev/log a connection that lingers leaves nothing open when it is removed",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const image = await hostileImage(stage);
    await using pod = await stage.stage0.sandbox({});
    const program = await pod.startSandbox();
    const before = pathsHeldBy(program.pid).length;
    for (const other of ["kept", "sent"]) {
      const app = { exec: [HOSTILE, "linger", other, "/dev/log"] };
      assertQuiet(await pod.apps.add({ image, name: other, app }));
      assertQuiet(await pod.apps.start(other));
      await eventually("the message", () => program.stderr.includes(`${other}: ${REFUSED}`));
      const asked = Date.now();
      assertQuiet(await pod.apps.rm(other));
      assert(Date.now() - asked < 5_000);
      assertEquals(pathsHeldBy(program.pid).length, before);
    }
  },
);

for (const other of ["kept", "sent"]) {
  scenario(
    `who sends /dev/log a connection that lingers keeps run from nothing, its other end ${other}`,
    { flavor: "isolated", needs: COMPILER },
    async (stage) => {
      const image = await hostileImage(stage);
      await using pod = await stage.stage0.prepare({
        apps: [
          { image, name: "bad", app: { exec: [HOSTILE, "linger", other, "/dev/log"] } },
          {
            image,
            name: "good",
            app: { exec: ["/bin/sh", "-c", "while sleep 0.2; do echo here; done"] },
          },
        ],
      });
      const program = await pod.start();
      const countLines = () => program.stdout.split("here").length;
      await eventually("the attack", () => program.stdout.includes("attacked"));
      const before = countLines();
      await eventually("more from the other app", () => countLines() > before + 2);
      const asked = Date.now();
      await pod.stop();
      const { code, stderr } = await program.result;
      assertEquals(code, 0);
      assertEquals(stderr, `run: app bad: ${REFUSED}\n`);
      assert(Date.now() - asked < 15_000);
    },
  );
}
