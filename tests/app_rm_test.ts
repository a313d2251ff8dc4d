/** Tests of apps that are removed from a pod: nothing of theirs is left, and others go on. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync } from "node:fs";
import { assertCode, assertQuiet } from "./expect.ts";
import { mountTmpfs, must } from "./host.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { isAlive } from "./procfs.ts";
import { Sandbox, STAY } from "./sandboxes.ts";
import { scenario } from "./scenario.ts";

/** Lists the files of a pod's directory, but for logs. */
async function filesOf({ pod }: Sandbox): Promise<string[]> {
  const found = await must(["find", pod.dir, "-not", "-path", "*/rootfs/bin/*"]);
  return found.split("\n").map((path) => path.slice(pod.dir.length)).filter((path) =>
    path !== "" && !path.startsWith("/log")
  ).toSorted();
}

for (const propagation of ["private", "shared"] as const) {
  scenario(
    `an app that runs is removed with all that is its own, on a host with ${propagation} mounts`,
    { flavor: "either" },
    async (stage) => {
      await using _pods = await mountTmpfs(stage.stage0.podsDirectory);
      await must(["mount", `--make-${propagation}`, stage.stage0.podsDirectory]);
      {
        await using sandbox = await Sandbox.open(stage);
        await sandbox.launch("other", STAY);
        await sandbox.prints("other");
        const files = await filesOf(sandbox);
        const cgroups = findPodCgroups([sandbox.pod.uuid]);
        for (let i = 0; i < 3; i++) {
          await sandbox.launch("app", "sleep 1000 & echo up; cd /tmp; exec sleep 1000 <>/tmp/file");
          await sandbox.prints("app");
          const pids = sandbox.processesOf("app");
          assertEquals(pids.length, 2);
          await sandbox.remove("app");
          assertEquals(pids.filter(isAlive), []);
          assertEquals(await filesOf(sandbox), files);
          assertEquals(findPodCgroups([sandbox.pod.uuid]), cgroups);
          assertEquals(sandbox.pod.apps.list(), { other: "running" });
        }
        await sandbox.close();
      }
    },
  );
}

scenario("an app is removed before it began, and after it has ended", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  // The first app has directories made that stay.
  await sandbox.launch("other", STAY);
  const files = await filesOf(sandbox);
  assertQuiet(await sandbox.add("app", STAY));
  await sandbox.remove("app");
  assertEquals(await filesOf(sandbox), files);
  await sandbox.launch("app", "exit 3");
  await sandbox.ends("app");
  await sandbox.remove("app");
  assertEquals(await filesOf(sandbox), files);
  await sandbox.close();
});

scenario("a name is free for another app once its app is removed", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  for (const text of ["first", "second", "third"]) {
    const image = await stage.image({ files: { "/text": `${text}\n` } });
    await sandbox.launch("app", "cat /text; exec sleep 100", { image });
    await sandbox.prints("app", `${text}\n`);
    assertEquals(sandbox.pod.apps.status("app"), { state: "running" });
    await sandbox.remove("app");
  }
  // People read logs of what is gone.
  assertStringIncludes(sandbox.log("app"), "third\n");
  await sandbox.close();
});

scenario("an app is not said to run because an earlier one of its name did", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const { apps } = sandbox.pod;
  await sandbox.launch("app", STAY);
  await sandbox.remove("app");
  assertQuiet(await sandbox.add("app", STAY));
  assertEquals(apps.status("app"), { state: "created" });
  await sandbox.remove("app");
  // As `app/add` would find it where the app before was lost with `app/rm`.
  for (const name of ["app", "app-started"]) {
    Deno.writeTextFileSync(`${sandbox.pod.stage1Rootfs}/rkt/status/${name}`, "7\n");
  }
  assertQuiet(await sandbox.add("app", STAY));
  assertEquals(apps.status("app"), { state: "created" });
  await sandbox.start("app");
  assertEquals(apps.status("app"), { state: "running" });
  await sandbox.close();
});

scenario("an app with every kind of mount is removed while it holds them all", {
  flavor: "either",
}, async (stage) => {
  await Deno.mkdir(`${stage.dir}/data/below`, { recursive: true });
  await using sandbox = await Sandbox.open(stage);
  const hold = "exec 8</data 9</empty; cd /data/below; echo up; exec sleep 1000";
  await sandbox.launch("app", hold, {
    mounts: [
      {
        volume: "data",
        path: "/data",
        appVolume: { name: "data", kind: "host", source: `${stage.dir}/data` },
      },
      {
        volume: "empty",
        path: "/empty",
        appVolume: { name: "empty", kind: "empty", mode: "0755", uid: 0, gid: 0 },
      },
    ],
  });
  await sandbox.prints("app");
  const entered = sandbox.pod.startEnter("app", ["/bin/sh", "-c", "echo in; exec sleep 1000"]);
  await entered.prints("in");
  await sandbox.remove("app");
  entered.kill("SIGKILL");
  await entered.result;
  await sandbox.close();
});

scenario("an app is removed from a pod that has ended", { flavor: "either" }, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  await sandbox.launch("app", STAY);
  await sandbox.prints("app");
  assertQuiet(await sandbox.pod.stop());
  assertCode(await sandbox.run.result, 0);
  assertQuiet(await sandbox.pod.apps.rm("app"));
  assertEquals(sandbox.pod.apps.list(), {});
  assertEquals(existsSync(sandbox.pod.appRootfs("app")), false);
  await sandbox.collect();
});

scenario("an app that is not the pod's can be removed again and again", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const args = ["--debug=false", "--app=nobody"];
  for (let i = 0; i < 2; i++) {
    assertQuiet(await sandbox.pod.startCrossing("app/rm", args).result);
  }
  await sandbox.close();
});
