/** Tests of apps that are started, stopped and started again while their pod goes on. */

import { assertEquals } from "@std/assert";
import { assertQuiet } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { isAlive } from "./procfs.ts";
import { Sandbox, STAY } from "./sandboxes.ts";
import { scenario } from "./scenario.ts";

/** Ends with a status that grows by one each time. */
const COUNTS = "n=$(cat /count 2>/dev/null || echo 0); echo $((n + 1)) >/count; exit $((n + 3))";

scenario(
  "an app is started again as often as it ends, and has a status of each time",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { apps } = sandbox.pod;
    await sandbox.launch("other", STAY);
    assertQuiet(await sandbox.add("app", COUNTS));
    for (const status of [3, 4, 5]) {
      await sandbox.start("app");
      assertEquals(await sandbox.ends("app"), status);
    }
    assertEquals(apps.status("other"), { state: "running" });
    await sandbox.close();
  },
);

scenario(
  "an app that has been started again has no status until it ends",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const text = "test -e /again && exec sleep 100; touch /again; exit 9";
    await sandbox.launch("app", text);
    assertEquals(await sandbox.ends("app"), 9);
    await sandbox.start("app");
    await sleep(100);
    assertEquals(sandbox.pod.apps.status("app"), { state: "running" });
    await sandbox.stop("app");
    assertEquals(sandbox.pod.apps.status("app").state, "exited");
    await sandbox.close();
  },
);

scenario("what an app leaves behind ends with it, each time", {
  flavor: "isolated",
}, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const text = "setsid sh -c 'sleep 1000 & exec sleep 1000' & echo up; sleep 4";
  await sandbox.launch("app", text);
  await sandbox.prints("app");
  const first = sandbox.processesOf("app");
  await sandbox.ends("app");
  // What is killed may be a moment on its way.
  await eventually("the end of the first ones", () => !first.some(isAlive));
  await sandbox.start("app");
  await eventually("the next ones", () => sandbox.processesOf("app").length > 2);
  await sandbox.ends("app");
  await eventually("their end", () => sandbox.processesOf("app").length === 0);
  await sandbox.close();
});

scenario("to start an app that runs changes nothing", { flavor: "either" }, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  await sandbox.launch("app", STAY);
  await sandbox.prints("app");
  const pid = sandbox.processOf("app");
  await sandbox.start("app");
  assertEquals(sandbox.processOf("app"), pid);
  assertEquals(isAlive(pid), true);
  assertEquals(sandbox.pod.apps.status("app"), { state: "running" });
  await sandbox.stop("app");
  assertEquals(sandbox.pod.apps.status("app"), { state: "exited", exitCode: 0 });
  await sandbox.close();
});

scenario("an app that does not run counts as stopped", { flavor: "either" }, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  assertQuiet(await sandbox.add("app", STAY));
  await sandbox.stop("app");
  assertEquals(sandbox.pod.apps.status("app"), { state: "created" });
  await sandbox.start("app");
  await sandbox.stop("app");
  await sandbox.stop("app");
  const args = ["--debug=false", "--app=nobody"];
  assertQuiet(await sandbox.pod.startCrossing("app/stop", args).result);
  await sandbox.close();
});

scenario(
  "an app is stopped by its own signal, and killed when its time is over",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const annotate = (settings: Record<string, string>) => ({
      annotations: Object.entries(settings).map(([name, value]) => ({
        name: `stage1-volo/${name}`,
        value,
      })),
    });
    const text = "trap 'exit 6' QUIT; trap '' TERM; echo up; while :; do sleep .02; done";
    await sandbox.launch("own", text, annotate({ "stop-signal": "SIGQUIT" }));
    await sandbox.launch("late", text, annotate({ "stop-timeout": "1" }));
    await sandbox.launch("other", STAY);
    for (const name of ["own", "late", "other"]) await sandbox.prints(name);
    await sandbox.stop("own");
    const before = performance.now();
    await sandbox.stop("late");
    const milliseconds = performance.now() - before;
    assertEquals(milliseconds > 900 && milliseconds < 8000, true, `${milliseconds} ms`);
    assertEquals(sandbox.pod.apps.status("own").exitCode, 6);
    assertEquals(sandbox.pod.apps.status("late").exitCode, 137);
    assertEquals(sandbox.pod.apps.status("other"), { state: "running" });
    await sandbox.close();
  },
);

scenario(
  "an app that is started while it ends runs again, and has no status until it ends",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const annotations = [{ name: "stage1-volo/stop-timeout", value: "1" }];
    const text = "trap '' TERM; echo up; while :; do sleep .02; done";
    await sandbox.launch("app", text, { annotations });
    await sandbox.prints("app");
    const first = sandbox.processOf("app");
    const stopped = sandbox.stop("app");
    await sleep(200);
    await sandbox.start("app");
    await stopped;
    assertEquals(isAlive(first), false);
    await eventually("the next one", () => sandbox.processesOf("app").length > 0);
    assertEquals(sandbox.pod.apps.status("app"), { state: "running" });
    await sandbox.stop("app");
    assertEquals(sandbox.pod.apps.status("app"), { state: "exited", exitCode: 137 });
    await sandbox.close();
  },
);

scenario("every line of an app has the id of its process", { flavor: "host" }, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const handler = (name: string) => ({ name, exec: ["/bin/sh", "-c", `echo ${name} $$`] });
  const app = { eventHandlers: ["pre-start", "post-stop"].map(handler) };
  await sandbox.launch("app", "echo main $$; exit 0", { app });
  await sandbox.ends("app");
  for (let i = 0; i < 4; i++) {
    await sandbox.start("app");
    await sandbox.ends("app");
  }
  await sandbox.stop("app");
  await sandbox.close();
  const lines = sandbox.run.stdout.replaceAll(/^\[.*?\] /gm, "").trimEnd().split("\n");
  assertEquals(lines.length, 15);
  assertEquals(lines.filter((line) => !/^app\[(\d+)\]: [a-z-]+ \1$/.test(line)), []);
});
