/** Tests of pods that begin without apps, with either image, and of who may change a pod. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { eventually, SimulatedHost, sleep } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { answers, describeNetwork, serve } from "./pod_networks.ts";
import { sharedNamespaces, startUp } from "./pod_processes.ts";
import { isAlive } from "./procfs.ts";
import { Sandbox, STAY } from "./sandboxes.ts";
import { scenario } from "./scenario.ts";

scenario(
  "a pod without apps is ready, stays, and ends with 0 when it is stopped",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { pod, run } = sandbox;
    await sleep(300);
    assertEquals(run.ended, false);
    assertEquals(pod.apps.list(), {});
    assertEquals(await pod.isRunning(), true);
    await sandbox.close();
    assertEquals([run.stdout, run.stderr], ["", ""]);
  },
);

scenario(
  "a pod goes on when its last app ends, however that ends",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { pod, run } = sandbox;
    await sandbox.launch("good", "echo hello; exit 0");
    await sandbox.launch("bad", "echo oh >&2; exit 7");
    await sandbox.launch("killed", "kill -KILL $$");
    const names = ["good", "bad", "killed"];
    assertEquals(await Promise.all(names.map((name) => sandbox.ends(name))), [0, 7, 137]);
    await sleep(200);
    assertEquals(run.ended, false);
    assertEquals(pod.apps.list(), { good: "exited", bad: "exited", killed: "exited" });
    await sandbox.close();
    // Lines that are there before run knows the process's number are without.
    assertMatch(run.stdout, /^\[ *\d+\.\d{6}\] good(\[\d+\])?: hello\n$/);
    assertMatch(run.stderr, /^\[ *\d+\.\d{6}\] bad(\[\d+\])?: oh\n$/);
  },
);

scenario(
  "an app is created, runs, and has exited, to whoever lists it",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { apps } = sandbox.pod;
    assertQuiet(await sandbox.add("app", STAY));
    assertEquals(apps.list(), { app: "created" });
    await sandbox.start("app");
    assertEquals(apps.status("app"), { state: "running" });
    await sandbox.prints("app");
    await sandbox.stop("app");
    assertEquals(apps.status("app"), { state: "exited", exitCode: 0 });
    await sandbox.remove("app");
    assertEquals(apps.list(), {});
    await sandbox.close();
  },
);

scenario(
  "apps that are added share the pod's namespaces, and have a mount namespace each",
  { flavor: "isolated" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    await sandbox.launch("one", STAY);
    await sandbox.launch("two", STAY);
    const [one, two] = [sandbox.processOf("one"), sandbox.processOf("two")];
    const first = sandbox.pod.readNumber("pid")!;
    assertEquals(sharedNamespaces(one, two), sharedNamespaces(one, first));
    assertEquals(sharedNamespaces(one, "self"), ["user"]);
    assertEquals(sharedNamespaces(one, two).includes("mnt"), false);
    await sandbox.close();
  },
);

scenario(
  "a command is entered into an app that was added, as its user and in its root",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const image = await stage.image({ files: { "/mine": "the app's\n" } });
    await sandbox.launch("other", STAY);
    await sandbox.launch("app", STAY, { image, app: { user: "volo", group: "volo" } });
    await sandbox.prints("app");
    const command = ["/bin/sh", "-c", "id -u; cat /mine; echo $AC_APP_NAME"];
    assertPrints(await sandbox.pod.enter("app", command), "1000\nthe app's\napp\n");
    await sandbox.remove("app");
    assertRefused(await sandbox.pod.enter("app", ["/bin/true"]), "enter", /app/);
    await sandbox.close();
  },
);

scenario(
  "when a pod is stopped, its apps are asked to end, and each has its status",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    await sandbox.launch("polite", "trap 'exit 3' TERM; echo up; while :; do sleep .02; done");
    await sandbox.launch("plain", STAY);
    await sandbox.prints("polite");
    await sandbox.prints("plain");
    assertQuiet(await sandbox.pod.stop());
    assertCode(await sandbox.run.result, 0);
    assertEquals(sandbox.pod.apps.status("polite"), { state: "exited", exitCode: 3 });
    assertEquals(sandbox.pod.apps.status("plain"), { state: "exited", exitCode: 0 });
    await sandbox.collect();
  },
);

scenario(
  "stop --force kills all apps of a pod, at whatever point they are",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    assertQuiet(await sandbox.add("created", STAY));
    await sandbox.launch("stubborn", "trap '' TERM; echo up; while :; do sleep .02; done");
    await sandbox.launch("forks", "setsid sh -c 'sleep 1000 & sleep 1000' & echo up; wait");
    await sandbox.prints("forks");
    const find = () => ["stubborn", "forks"].flatMap((name) => sandbox.processesOf(name));
    await eventually("all processes", () => find().length > 3);
    const pids = find();
    assertCode(await sandbox.pod.stop({ force: true }), 0);
    await sandbox.run.result;
    await eventually("the end of all processes", () => !pids.some(isAlive));
    await sandbox.collect();
  },
);

for (const what of ["run", "the pod's first process"] as const) {
  scenario(
    `nothing is left of a pod whose apps were added when ${what} is killed`,
    { flavor: what === "run" ? "either" : "isolated" },
    async (stage) => {
      await using sandbox = await Sandbox.open(stage);
      await sandbox.launch("app", "sleep 1000 & echo up; wait");
      assertQuiet(await sandbox.add("created", STAY));
      await sandbox.prints("app");
      const pids = sandbox.processesOf("app");
      assertEquals(pids.length, 2);
      if (what === "run") sandbox.run.kill("SIGKILL");
      else Deno.kill(sandbox.pod.readNumber("pid")!, "SIGKILL");
      await eventually("the end of run", () => sandbox.run.ended);
      await eventually("the end of the first process", () => !isAlive(pids[0]!));
      await sandbox.collect();
      assertEquals(pids.filter(isAlive), []);
    },
  );
}

const COMMANDS = ["add", "start", "stop", "rm"] as const;

scenario("apps of a pod that began with them do not change", {
  flavor: "either",
}, async ({ scripts }) => {
  await using pod = await scripts({ app: "echo up; exec sleep 100", other: "exec sleep 100" });
  const run = await startUp(pod);
  for (const command of COMMANDS) {
    const uuid = command === "add" ? [`--uuid=${pod.uuid}`] : [];
    const args = ["--debug=false", ...uuid, "--app=app"];
    const result = await pod.startCrossing(`app/${command}`, args).result;
    assertRefused(result, `app-${command}`, /the pod is immutable/);
  }
  assertEquals(run.ended, false);
  assertQuiet(await pod.stop());
  assertCode(await run.result, 0);
});

scenario(
  "a pod whose apps are to change begins without any",
  { flavor: "either" },
  async (stage) => {
    const first = { image: await stage.image({}), name: "first" };
    await using pod = await stage.stage0.prepare({ apps: [first], mutable: true });
    assertRefused(await pod.run(), "run", /^run: apps: /);
    assertRefused(await pod.run({ flags: { mutable: true } }), "run", /^run: apps: /);
  },
);

scenario("an app alone in the host's namespaces cannot be attached to", async ({ script }) => {
  await using pod = await script("echo up; exec sleep 100");
  const run = await startUp(pod);
  for (const mode of ["list", "auto", "stdin,stdout"]) {
    assertRefused(await pod.apps.attach("app", { mode }).result, "attach", /app/);
  }
  run.kill("SIGKILL");
});

scenario(
  "a port that a sandbox was begun with leads to the app that listens",
  { flavor: "isolated", needs: NETWORK_NEEDS },
  async (stage) => {
    const podPort = { name: "http", protocol: "tcp", port: 80, count: 1 };
    const port = { name: "http", hostPort: 8080, podPort: { ...podPort, socketActivated: false } };
    await using host = await SimulatedHost.open("shared", "own");
    const before = await describeNetwork(host);
    {
      // Composed on that host, so that it has the mounts of the pod's trees.
      await using sandbox = await Sandbox.open(stage, {
        overlay: false,
        host,
        flags: { net: "default" },
        ports: [{ ...port, podPort: { ...podPort, socketActivated: false } }],
      });
      await sandbox.launch("web", serve("first"));
      await answers(host, "first");
      await sandbox.remove("web");
      await sandbox.launch("web", serve("second"));
      await answers(host, "second");
      assertStringIncludes(sandbox.log("web"), "up");
      await sandbox.close();
    }
    assertEquals(await describeNetwork(host), before);
  },
);
