/** Tests of `gc` on a pod that had namespaces of its own. */

import { assert, assertEquals } from "@std/assert";
import { assertCode, assertQuiet } from "./expect.ts";
import { eventually, mountTmpfs, must, sleep } from "./host.ts";
import { mountsUnder, pathsHeldBy, readMounts, readProcesses } from "./procfs.ts";
import { scenario } from "./scenario.ts";

scenario(
  "gc of a pod that has ended is quiet, and can be repeated",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script("true");
    assertQuiet(await pod.run());
    for (let i = 0; i < 3; i++) {
      const result = await pod.gc();
      assertQuiet(result);
      assertEquals(result.stdout, "");
    }
    assertEquals(pod.foreignMounts(), []);
    assertEquals(mountsUnder(pod.dir).length, stage.stage0.overlay ? 2 : 0);
  },
);

scenario("gc of a pod that never ran is quiet", { flavor: "isolated" }, async ({ script }) => {
  await using pod = await script("true");
  assertQuiet(await pod.gc());
});

scenario(
  "gc after a reboot finds no app, and is quiet",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("true");
    assertQuiet(await pod.run());
    for (const { path } of mountsUnder(pod.dir).reverse()) await must(["umount", path]);
    assertQuiet(await pod.gc());
  },
);

scenario(
  "gc unmounts what is left anywhere in the pod directory",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("true");
    assertQuiet(await pod.run());
    await Deno.mkdir(`${pod.dir}/netns`);
    await mountTmpfs(`${pod.dir}/netns`);
    await mountTmpfs(`${pod.appRootfs()}/one`);
    await mountTmpfs(`${pod.appRootfs()}/one/two`);
    assertEquals(pod.foreignMounts().length, 3);
    const result = await pod.gc({ args: ["--debug", pod.uuid] });
    assertCode(result, 0);
    assertEquals(result.stderr.match(/^gc: unmount /gm)?.length, 3, result.stderr);
    assertEquals(pod.foreignMounts(), []);
  },
);

scenario(
  "a network's plugins get nothing of gc's caller",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using pod = await script("true");
    assertQuiet(await pod.run());
    const plugin = `${dir}/plugin`;
    const list = 'for fd in /proc/$$/fd/*; do readlink "$fd" || :; done';
    await Deno.writeTextFile(plugin, `#!/bin/sh\n${list} >${dir}/seen\n`, { mode: 0o755 });
    const call = { type: "plugin", path: plugin, cniVersion: "0.4.0", configuration: "{}" };
    const network = { name: "lan", ifName: "eth0", args: "", calls: [call] };
    const record = { searchPath: dir, networks: [network] };
    await Deno.writeTextFile(`${pod.dir}/networks.json`, JSON.stringify(record));
    await Deno.writeTextFile(`${pod.dir}/netns`, "");
    assertQuiet(await pod.gc({ extraFds: [5, 7] }));
    const seen = (await Deno.readTextFile(`${dir}/seen`)).trim().split("\n");
    // The plugin's shell reads its script from one of these and writes to the other.
    const own = [plugin, `${dir}/seen`];
    const given = seen.filter((path) => !own.includes(path) && !path.startsWith("pipe:"));
    assertEquals(given.toSorted(), [
      "/memfd:stdin (deleted)",
      "/memfd:stdout (deleted)",
      `${pod.dir}/networks.lock`,
    ]);
  },
);

scenario(
  "run can be killed at any moment, and nothing is left",
  { flavor: "isolated" },
  async ({ script }) => {
    const before = new Set(readMounts().map(({ path }) => path));
    for (let delay = 0; delay <= 200; delay += 10) {
      await using pod = await script("sleep 100");
      const program = await pod.launch();
      await sleep(delay);
      program.kill("SIGKILL");
      await program.result;
      const left = () =>
        readProcesses().filter(({ pid }) =>
          pathsHeldBy(pid).some((path) => path.includes(pod.uuid))
        );
      await eventually(`the end of all, killed after ${delay} ms`, () => left().length === 0);
      assertQuiet(await pod.gc());
      assertEquals(pod.foreignMounts(), [], `killed after ${delay} ms`);
      assertEquals(await pod.isRunning(), false);
    }
    const after = readMounts().map(({ path }) => path);
    assert(after.every((path) => before.has(path)), `${after.filter((path) => !before.has(path))}`);
  },
);
