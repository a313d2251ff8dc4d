/**
 * Tests of requests to change a pod that come at the same time, that are killed half-way, and that
 * lose the pod meanwhile: nothing hangs, and nothing is left.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertQuiet, assertRefused } from "./expect.ts";
import { eventually, type Result, sleep } from "./host.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { isAlive, pathsHeldBy, readProcess, readProcesses } from "./procfs.ts";
import { Sandbox, STAY } from "./sandboxes.ts";
import { scenario } from "./scenario.ts";
import { Random } from "./soak/random.ts";
import type { Program } from "./stage0.ts";

/** Waits for a program, which may not hang. */
async function inTime(program: Program): Promise<Result> {
  const late = setTimeout(() => program.kill("SIGKILL"), 10_000);
  const result = await program.result;
  clearTimeout(late);
  return result;
}

scenario(
  "two apps are started and stopped at the same time",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { apps } = sandbox.pod;
    const names = ["a", "b", "c", "d"];
    for (const name of names) assertQuiet(await sandbox.add(name, STAY));
    const started = await Promise.all(names.map((name) => apps.start(name)));
    started.forEach(assertQuiet);
    for (const name of names) await sandbox.prints(name);
    const stopped = await Promise.all(names.map((name) => apps.stop(name)));
    stopped.forEach(assertQuiet);
    assertEquals(new Set(Object.values(apps.list())), new Set(["exited"]));
    await sandbox.close();
  },
);

scenario("of several who start an app at the same time, one does", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const { apps } = sandbox.pod;
  assertQuiet(await sandbox.add("app", "echo up; exec sleep 100"));
  const results = await Promise.all([1, 2, 3].map(() => apps.start("app")));
  assertEquals(results.some(({ code }) => code === 0), true);
  for (const result of results.filter(({ code }) => code !== 0)) {
    assertRefused(result, "app-start", /it is being started/);
  }
  await sandbox.prints("app");
  assertEquals(sandbox.processesOf("app").length, 1);
  assertEquals(sandbox.log("app"), "up\n");
  await sandbox.close();
});

scenario("an app is stopped or removed while it is being started", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const { apps } = sandbox.pod;
  const handler = { name: "pre-start", exec: ["/bin/sh", "-c", "sleep .5"] };
  for (const command of ["stop", "rm"] as const) {
    assertQuiet(await sandbox.add("app", STAY, { app: { eventHandlers: [handler] } }));
    const starting = apps.startStart("app");
    await sleep(250);
    await apps[command]("app");
    await inTime(starting);
    await eventually("no process", () => sandbox.processesOf("app").length === 0);
    if (command === "stop") await sandbox.remove("app");
  }
  assertEquals(sandbox.run.ended, false);
  await sandbox.close();
});

scenario("apps are added and started while others are stopped and removed", {
  flavor: "either",
  patience: 120_000,
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const { apps } = sandbox.pod;
  const live = async (name: string) => {
    for (let i = 0; i < 3; i++) {
      await sandbox.launch(name, STAY);
      await sandbox.prints(name);
      if (i % 2 === 0) await sandbox.stop(name);
      await sandbox.remove(name);
    }
  };
  await Promise.all(["a", "b", "c"].map(live));
  assertEquals(apps.list(), {});
  await sandbox.close();
});

/** How long each request may go on before it is killed: some are killed early, some too late. */
const LONGEST = { add: 300, start: 250, stop: 120, rm: 120 };

for (const command of ["add", "start", "stop", "rm"] as const) {
  scenario(
    `an app-${command} is killed at any moment, and the pod can do without`,
    { flavor: "either", patience: 180_000 },
    async (stage) => {
      const random = new Random(command.length);
      await using sandbox = await Sandbox.open(stage);
      const { apps } = sandbox.pod;
      await sandbox.launch("other", STAY);
      await sandbox.prints("other");
      const cgroups = findPodCgroups([sandbox.pod.uuid]);
      const begin = async (): Promise<Program> => {
        if (command === "add") return await sandbox.startAdd("app", STAY);
        assertQuiet(await sandbox.add("app", STAY));
        if (command === "start") return apps.startStart("app");
        await sandbox.start("app");
        return command === "stop" ? apps.startStop("app") : apps.startRm("app");
      };
      for (let i = 0; i < 12; i++) {
        const program = await begin();
        await sleep(random.below(LONGEST[command]));
        program.kill("SIGKILL");
        await program.result;
        if (command === "add") {
          // A later request finds the name either free or taken; the app itself is whole or gone.
          const { code } = await inTime(apps.startStart("app"));
          assert(code === 0 || code === 254);
        }
        await sandbox.remove("app");
        assertEquals(sandbox.processesOf("app"), []);
        assertEquals(findPodCgroups([sandbox.pod.uuid]), cgroups);
      }
      await sandbox.launch("app", STAY);
      await sandbox.prints("app");
      assertEquals(apps.list(), { other: "running", app: "running" });
      // Where the app was not added, its start is refused.
      const refused = 'run: app-start: the pod has no app "app"\n';
      assertEquals(sandbox.run.stderr.replaceAll(refused, ""), "");
      await sandbox.close();
    },
  );

  scenario(
    `an app-${command} ends when run does, and gc takes what both leave`,
    { flavor: "either", patience: 180_000 },
    async (stage) => {
      const random = new Random(command.length + 10);
      for (let i = 0; i < 5; i++) {
        await using sandbox = await Sandbox.open(stage);
        const { apps } = sandbox.pod;
        // What stops and is removed takes its time, so that run is killed meanwhile.
        const text = "trap 'sleep .3; exit 0' TERM; echo up; while :; do sleep .02; done";
        let program: Program;
        if (command === "add") {
          program = await sandbox.startAdd("app", text);
        } else {
          assertQuiet(await sandbox.add("app", text));
          if (command === "start") {
            program = apps.startStart("app");
          } else {
            await sandbox.start("app");
            await sandbox.prints("app");
            program = command === "stop" ? apps.startStop("app") : apps.startRm("app");
          }
        }
        await sleep(random.below(LONGEST[command]));
        sandbox.run.kill("SIGKILL");
        await sandbox.run.result;
        const result = await inTime(program);
        if (result.code !== 0) {
          assertCode(result, 254);
          assertMatch(result.stderr, new RegExp(`^app-${command}: [^\\n]+\\n$`));
        }
        await eventually("no process", () => sandbox.processesOf("app").length === 0);
        await sandbox.collect();
      }
    },
  );
}

scenario("an app ends with the process that waits for it, and is told as killed", {
  flavor: "either",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  await sandbox.launch("other", STAY);
  await sandbox.launch("app", "sleep 1000 & echo up; wait");
  await sandbox.prints("app");
  const pids = sandbox.processesOf("app");
  const minder = readProcess(Math.min(...pids))!.parent;
  assert(minder !== sandbox.run.pid && minder > 1, `the app's parent is ${minder}`);
  Deno.kill(minder, "SIGKILL");
  assertEquals(await sandbox.ends("app"), 137);
  await eventually("the end of all of the app", () => !pids.some(isAlive));
  assertEquals(sandbox.pod.apps.status("other"), { state: "running" });
  await sandbox.start("app");
  await sandbox.close();
});

scenario("nothing but run holds the pod once its apps run", { flavor: "either" }, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  await sandbox.launch("app", STAY);
  await sandbox.prints("app");
  const pid = sandbox.processOf("app");
  const known = [sandbox.run.pid, sandbox.pod.readNumber("pid"), pid, readProcess(pid)!.parent];
  const others = readProcesses().filter(({ pid }) =>
    !known.includes(pid) && pid !== Deno.pid &&
    pathsHeldBy(pid).some((path) => path.startsWith(sandbox.pod.dir))
  );
  // Programs that the app itself has started have its root.
  const strangers = others.filter((process) => !sandbox.processesOf("app").includes(process.pid));
  assertEquals(strangers.map(({ argv }) => argv), []);
  await sandbox.close();
});
