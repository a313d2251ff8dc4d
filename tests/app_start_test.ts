/** Tests of `app-start`: how the processes of an added app begin and end, and who minds them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertQuiet, assertRefused } from "./expect.ts";
import { eventually } from "./host.ts";
import { mindersOf, processOf, startUp } from "./pod_processes.ts";
import { childrenOf, isAlive, readStatus } from "./procfs.ts";
import { Sandbox, STAY } from "./sandboxes.ts";
import { EVERY_KERNEL, scenario } from "./scenario.ts";
import type { App, Program } from "./stage0.ts";

const BOTH = { flavor: "either" } as const;
/** Isolated pods take a newer kernel. */
const ON_EVERY_KERNEL = { kernels: EVERY_KERNEL };

/** An app that runs until it is asked to end. */
const UP = "echo up; exec sleep 1000";

const AS_USER: Partial<App> = { user: "volo", group: "volo" };

scenario("an added app begins as one that the pod has begun with", BOTH, async (stage) => {
  const app: Partial<App> = {
    ...AS_USER,
    exec: ["/bin/sh", "-c", UP],
    workingDirectory: "/tmp",
    environment: [{ name: "A", value: "b c" }],
    isolators: [
      { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_CHOWN"] } },
      { name: "os/linux/oom-score-adj", value: 700 },
      { name: "os/linux/seccomp-remove-set", value: { set: ["bpf"] } },
    ],
  };
  const image = await stage.image({});
  // In the host's namespaces, an app alone would be what run becomes.
  const other = { image, name: "other", app: { exec: ["/bin/sh", "-c", UP] } };
  await using fixed = await stage.stage0.prepare({ apps: [{ image, name: "app", app }, other] });
  await using sandbox = await Sandbox.open(stage);
  const first = processOf(await startUp(fixed, 2));
  assertQuiet(await sandbox.pod.apps.add({ image, name: "app", app }));
  await sandbox.start("app");
  const [minder] = mindersOf(sandbox.run);
  const added = childrenOf(minder!)[0]!.pid;
  for (const pid of [first, added]) {
    await eventually("sleep", () => readStatus(pid).Name === "sleep");
  }
  assertEquals(lookAt(added), lookAt(first));
});

/** What a process is, as far as it does not tell two pods apart. */
function lookAt(pid: number) {
  const status = readStatus(pid);
  const kept = /^(Name|Umask|NoNewPrivs|Seccomp|Groups|Uid|Gid|Cap.*|Sig(Blk|Ign|Cgt)|NStgid)$/;
  const link = (name: string) => Deno.readLinkSync(`/proc/${pid}/${name}`);
  return {
    status: Object.entries(status).filter(([name]) => kept.test(name) && name !== "NStgid"),
    levels: status.NStgid?.split("\t").length,
    fds: [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => name).sort(),
    directory: link("cwd").split("/").at(-1),
    environment: Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0").sort(),
    limits: Deno.readTextFileSync(`/proc/${pid}/limits`),
    score: Deno.readTextFileSync(`/proc/${pid}/oom_score_adj`),
    leads: Deno.readTextFileSync(`/proc/${pid}/stat`).split(" ").slice(4, 6)
      .every((id) => id === `${pid}`),
  };
}

scenario("handlers run before an app each time, and after it", BOTH, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const { run } = sandbox;
  const handler = (name: string) => ({
    name,
    exec: ["/bin/sh", "-c", `echo ${name} $$ | tee -a /events`],
  });
  const eventHandlers = ["pre-start", "post-stop"].map(handler);
  const text = "echo running $$ | tee -a /events; exit 3";
  assertQuiet(await sandbox.add("app", text, { app: { eventHandlers } }));
  for (let times = 1; times <= 2; times++) {
    await sandbox.start("app");
    assertEquals(await sandbox.ends("app"), 3);
    await eventually("the last handler", () => told(run, "post-stop").length === times);
    for (const what of ["pre-start", "running"]) assertEquals(told(run, what).length, times);
  }
  await sandbox.stop("app");
  const order = [...Array(2)].flatMap(() => ["pre-start", "running", "post-stop"]);
  const events = Deno.readTextFileSync(`${sandbox.pod.appRootfs("app")}/events`);
  for (const text of [run.stdout, events]) {
    assertEquals(text.match(/pre-start|running|post-stop/g), order);
  }
  // The last handler has ended before it could be looked at, which is nothing to tell of.
  assertEquals(run.stderr.match(/^run: .*/gm), null);
  await sandbox.close();
});

scenario("a post-stop handler runs also after an app that was killed", BOTH, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const exec = ["/bin/sh", "-c", "echo after; exit 9"];
  await sandbox.launch("app", UP, { app: { eventHandlers: [{ name: "post-stop", exec }] } });
  await sandbox.prints("app");
  Deno.kill(sandbox.processOf("app"), "SIGKILL");
  assertEquals(await sandbox.ends("app"), 137);
  await eventually("the handler", () => told(sandbox.run, "after").length === 1);
});

scenario("a pre-start handler that fails keeps its app from starting", BOTH, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const eventHandlers = [{ name: "pre-start", exec: ["/bin/sh", "-c", "exit 8"] }];
  assertQuiet(await sandbox.add("app", "echo begun", { app: { eventHandlers } }));
  assertRefused(await sandbox.pod.apps.start("app"), "app-start", /eventHandlers\[0\]/);
  assertEquals([sandbox.log("app"), told(sandbox.run, "begun")], ["", []]);
  assertEquals(sandbox.run.ended, false);
  await sandbox.remove("app");
  await sandbox.close();
});

scenario("a program that is not there is named, and the pod lives on", BOTH, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const { apps } = sandbox.pod;
  await sandbox.launch("other", STAY);
  assertEquals(mindersOf(sandbox.run).length, 1);
  const eventHandlers = [{ name: "post-stop" as const, exec: ["nowhere"] }];
  const missing: [name: string, app: Partial<App>, field: string][] = [
    ["path", { exec: ["/nowhere"] }, "exec"],
    ["name", { exec: ["nowhere"] }, "exec"],
    ["script", { eventHandlers }, "eventHandlers[0].exec"],
  ];
  for (const [name, app, field] of missing) {
    assertQuiet(await sandbox.add(name, "exit 0", { app }));
    for (let times = 0; times < 2; times++) {
      const result = await apps.start(name);
      assertRefused(result, "app-start", /nowhere/);
      assert(result.stderr.includes(`apps["${name}"].app.${field}[0]: `), result.stderr);
      assertEquals(apps.status(name).state, "exited");
    }
    await sandbox.remove(name);
  }
  assertEquals(apps.status("other"), { state: "running" });
  assertEquals(mindersOf(sandbox.run).length, 1);
  await sandbox.close();
});

scenario("an app that nobody has added is not started", BOTH, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const args = ["--debug=false", "--app=nobody"];
  const result = await sandbox.pod.startCrossing("app/start", args).result;
  assertRefused(result, "app-start", /nobody/);
  await sandbox.close();
});

scenario("an app whose minder is killed ends, and is started again", BOTH, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  assertQuiet(await sandbox.add("app", UP, { app: AS_USER }));
  for (let times = 1; times <= 2; times++) {
    await sandbox.start("app");
    const app = sandbox.processOf("app");
    const [minder] = mindersOf(sandbox.run);
    Deno.kill(minder!, "SIGKILL");
    assertEquals(await sandbox.ends("app"), 137);
    await eventually("the end of the app", () => !isAlive(app));
  }
});

scenario("an added app and its minder end with the supervisor", BOTH, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  const { run } = sandbox;
  const eventHandlers = [{ name: "post-stop", exec: ["/bin/sh", "-c", "touch /after"] }];
  await sandbox.launch("app", UP, { app: { ...AS_USER, eventHandlers } });
  const app = sandbox.processOf("app");
  const minders = mindersOf(run);
  assertEquals(minders.length, 2);
  run.kill("SIGKILL");
  await run.result;
  await eventually("the end of all", () => [app, ...minders].every((pid) => !isAlive(pid)));
});

scenario(
  "a minder is where the supervisor is, and has nothing of the host's",
  ON_EVERY_KERNEL,
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { run } = sandbox;
    const isolators = [{ name: "os/linux/oom-score-adj", value: 500 }];
    await sandbox.launch("app", UP, { app: { isolators } });
    const [minder] = mindersOf(run);
    const of = (pid: number, file: string) => Deno.readTextFileSync(`/proc/${pid}/${file}`);
    for (const file of ["cgroup", "oom_score_adj"]) {
      assertEquals(of(minder!, file), of(run.pid, file), file);
    }
    for (const kind of ["mnt", "net", "uts", "ipc", "pid", "user", "cgroup"]) {
      const namespace = (pid: number) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`);
      assertEquals(namespace(minder!), namespace(run.pid), kind);
    }
    const status = readStatus(minder!);
    const capKill = "0000000000000020";
    assertEquals([status.CapPrm, status.CapEff], [capKill, capKill]);
    assertEquals([status.NoNewPrivs, status.Seccomp], ["1", "2"]);
    const fds = [...Deno.readDirSync(`/proc/${minder}/fd`)].map(({ name }) => name).sort();
    assertEquals(fds, ["0", "1", "2"]);
  },
);

scenario(
  "whenever app-start is killed, nothing is left of what it began",
  { ...BOTH, patience: 120_000 },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { pod, run } = sandbox;
    const eventHandlers = [{ name: "post-stop", exec: ["/bin/true"] }];
    assertQuiet(await sandbox.add("app", UP, { app: { eventHandlers } }));
    let killed = 0;
    for (let milliseconds = 10; milliseconds < 100; milliseconds += 4) {
      const starter = pod.apps.startStart("app");
      await new Promise((done) => setTimeout(done, milliseconds));
      if (!starter.ended) starter.kill("SIGKILL");
      const { code } = await starter.result;
      if (code !== 0) killed++;
      // What was handed over before the kill runs on. Of all else, the supervisor does not know.
      assertQuiet(await pod.apps.stop("app"));
      await eventually("the end of all", () => mindersOf(run).length === 0);
      await eventually("the end of all", () => sandbox.processesOf("app").length === 0);
    }
    assert(killed > 3, `killed only ${killed} times`);
    await sandbox.start("app");
    assertEquals(mindersOf(run).length, 2);
  },
);

scenario(
  "an app of a pod with users of its own has its user's streams",
  { flavor: "isolated" },
  async (stage) => {
    const options = { privateUsers: "200000:65536", overlay: false };
    await using sandbox = await Sandbox.open(stage, options);
    const text = "id -u; cat /proc/self/uid_map; echo mine >/dev/stdout; exec sleep 1000";
    await sandbox.launch("app", text, { app: AS_USER });
    await eventually("its words", () => told(sandbox.run, "mine").length === 1);
    assertMatch(sandbox.run.stdout, /1000\n.*0 +200000 +65536\n/);
    const status = readStatus(sandbox.processOf("app"));
    assertEquals(status.Uid, ["201000", "201000", "201000", "201000"].join("\t"));
  },
);

/** The lines of an app's that hold a word, without the prefix that says whose they are. */
function told({ stdout }: Program, word: string): string[] {
  return stdout.split("\n").filter((line) => line.includes(word));
}
