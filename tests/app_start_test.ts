/** Tests of `app-start`: how the processes of an added app begin and end, and who minds them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertQuiet, assertRefused } from "./expect.ts";
import { eventually } from "./host.ts";
import { mindersOf } from "./pod_processes.ts";
import { isAlive, readProcesses, readStatus } from "./procfs.ts";
import { EVERY_KERNEL, scenario, type Stage } from "./scenario.ts";
import type { App, Pod, Program } from "./stage0.ts";

const BOTH = { flavor: "either" } as const;
/** Isolated pods take a newer kernel. */
const ON_EVERY_KERNEL = { kernels: EVERY_KERNEL };

/** How many seconds apps sleep here: by these they are found. */
const DURATION = 86_917;
const OTHER_DURATION = 86_918;

/** An app that runs until it is asked to end. */
const UP = `echo up; exec sleep ${DURATION}`;

scenario("an added app starts again with a fresh status", BOTH, async (stage) => {
  await using pod = await stage.stage0.sandbox({});
  await pod.startSandbox();
  await add(stage, pod, "test -e /twice || { touch /twice; exit 3; }; exit 4");
  for (const status of [3, 4, 4]) {
    assertQuiet(await pod.apps.start("app"));
    assertEquals(await statusOf(pod), status);
  }
});

scenario("an added app begins as one that the pod has begun with", BOTH, async (stage) => {
  const app = (duration: number): Partial<App> => ({
    exec: ["/bin/sh", "-c", `exec sleep ${duration}`],
    user: "volo",
    group: "volo",
    workingDirectory: "/tmp",
    environment: [{ name: "A", value: "b c" }],
    isolators: [
      { name: "os/linux/capabilities-retain-set", value: { set: ["CAP_CHOWN"] } },
      { name: "os/linux/oom-score-adj", value: 700 },
      { name: "os/linux/seccomp-remove-set", value: { set: ["bpf"] } },
    ],
  });
  const image = await stage.image({});
  // In the host's namespaces, an app alone would be what run becomes.
  const other = { image, name: "other", app: { exec: ["/bin/sh", "-c", "exec sleep 1000"] } };
  const apps = [{ image, name: "app", app: app(DURATION) }, other];
  await using fixed = await stage.stage0.prepare({ apps });
  await using pod = await stage.stage0.sandbox({});
  await fixed.start();
  await pod.startSandbox();
  assertQuiet(await pod.apps.add({ image, name: "app", app: app(OTHER_DURATION) }));
  assertQuiet(await pod.apps.start("app"));
  const first = await sleeper();
  const added = await sleeper(OTHER_DURATION);
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

scenario("handlers of an added app run before it and after it", BOTH, async (stage) => {
  await using pod = await stage.stage0.sandbox({});
  const program = await pod.startSandbox();
  const handler = (name: string) => ({ name, exec: ["/bin/sh", "-c", `echo ${name} $$`] });
  await add(stage, pod, "echo running; exit 3", {
    eventHandlers: [handler("pre-start"), handler("post-stop")],
  });
  for (let times = 1; times <= 2; times++) {
    assertQuiet(await pod.apps.start("app"));
    assertEquals(await statusOf(pod), 3);
    await eventually("the last handler", () => told(program, "post-stop").length === times);
    for (const what of ["pre-start", "running"]) assertEquals(told(program, what).length, times);
  }
  const order = program.stdout.match(/pre-start|running|post-stop/g);
  assertEquals(order, [...Array(2)].flatMap(() => ["pre-start", "running", "post-stop"]));
});

scenario("a post-stop handler runs also after an app that was killed", BOTH, async (stage) => {
  await using pod = await stage.stage0.sandbox({});
  const program = await pod.startSandbox();
  const exec = ["/bin/sh", "-c", "echo after; exit 9"];
  await add(stage, pod, UP, { eventHandlers: [{ name: "post-stop", exec }] });
  assertQuiet(await pod.apps.start("app"));
  Deno.kill(await sleeper(), "SIGKILL");
  assertEquals(await statusOf(pod), 137);
  await eventually("the handler", () => told(program, "after").length === 1);
});

scenario("a pre-start handler that fails keeps its app from starting", BOTH, async (stage) => {
  await using pod = await stage.stage0.sandbox({});
  const program = await pod.startSandbox();
  const handlers = [{ name: "pre-start", exec: ["/bin/false"] }];
  await add(stage, pod, "echo up", { eventHandlers: handlers });
  assertRefused(await pod.apps.start("app"), "app-start", /eventHandlers\[0\]/);
  assertEquals(told(program, "up"), []);
});

scenario("a program that is not there is named, and the pod lives on", BOTH, async (stage) => {
  await using pod = await stage.stage0.sandbox({});
  const program = await pod.startSandbox();
  const image = await stage.image({});
  const add = async (name: string, exec: string[], fields: Partial<App> = {}) =>
    assertQuiet(await pod.apps.add({ image, name, app: { exec, ...fields } }));
  await add("path", ["/nowhere"]);
  await add("name", ["nowhere"]);
  await add("script", ["/bin/sh", "-c", "exit 0"], {
    eventHandlers: [{ name: "post-stop", exec: ["nowhere"] }],
  });
  for (const app of ["path", "name"]) {
    const ofApp = new RegExp(`apps\\["${app}"\\]\\.app\\.exec\\[0\\]: .*nowhere`);
    assertRefused(await pod.apps.start(app), "app-start", ofApp);
    assertEquals(pod.apps.status(app).state, "exited");
  }
  const ofHandler = /apps\["script"\]\.app\.eventHandlers\[0\]\.exec\[0\]: .*nowhere/;
  assertRefused(await pod.apps.start("script"), "app-start", ofHandler);
  assertEquals(program.ended, false);
  assertEquals(mindersOf(program), []);
});

scenario("an app whose minder is killed ends, and is started again", BOTH, async (stage) => {
  await using pod = await stage.stage0.sandbox({});
  const program = await pod.startSandbox();
  await add(stage, pod, UP, { user: "volo", group: "volo" });
  for (let times = 1; times <= 2; times++) {
    assertQuiet(await pod.apps.start("app"));
    const app = await sleeper();
    const [minder] = mindersOf(program);
    Deno.kill(minder!, "SIGKILL");
    assertEquals(await statusOf(pod), 137);
    await eventually("the end of the app", () => !isAlive(app));
  }
});

scenario("an added app and its minder end with the supervisor", BOTH, async (stage) => {
  await using pod = await stage.stage0.sandbox({});
  const program = await pod.startSandbox();
  const exec = ["/bin/sh", "-c", "touch /after"];
  const handlers = [{ name: "post-stop", exec }];
  await add(stage, pod, UP, { user: "volo", group: "volo", eventHandlers: handlers });
  assertQuiet(await pod.apps.start("app"));
  const app = await sleeper();
  const minders = mindersOf(program);
  assertEquals(minders.length, 2);
  program.kill("SIGKILL");
  await program.result;
  await eventually("the end of all", () => [app, ...minders].every((pid) => !isAlive(pid)));
});

scenario(
  "a minder is where the supervisor is, and has nothing of the host's",
  ON_EVERY_KERNEL,
  async (stage) => {
    await using pod = await stage.stage0.sandbox({});
    const program = await pod.startSandbox();
    await add(stage, pod, UP, { isolators: [{ name: "os/linux/oom-score-adj", value: 500 }] });
    assertQuiet(await pod.apps.start("app"));
    const [minder] = mindersOf(program);
    const of = (pid: number, file: string) => Deno.readTextFileSync(`/proc/${pid}/${file}`);
    for (const file of ["cgroup", "oom_score_adj"]) {
      assertEquals(of(minder!, file), of(program.pid, file), file);
    }
    for (const kind of ["mnt", "net", "uts", "ipc", "pid", "user", "cgroup"]) {
      const namespace = (pid: number) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`);
      assertEquals(namespace(minder!), namespace(program.pid), kind);
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
    await using pod = await stage.stage0.sandbox({});
    const program = await pod.startSandbox();
    const exec = ["/bin/true"];
    await add(stage, pod, UP, { eventHandlers: [{ name: "post-stop", exec }] });
    let killed = 0;
    for (let milliseconds = 10; milliseconds < 100; milliseconds += 4) {
      const starter = pod.apps.startStart("app");
      await new Promise((done) => setTimeout(done, milliseconds));
      if (!starter.ended) starter.kill("SIGKILL");
      const { code } = await starter.result;
      if (code !== 0) {
        killed++;
        await eventually("the end of all", () => mindersOf(program).length === 0);
        await eventually("the end of all", () => sleeping().length === 0);
      } else {
        await pod.apps.stop("app");
      }
    }
    assert(killed > 3, `killed only ${killed} times`);
    assertQuiet(await pod.apps.start("app"));
    assertEquals(mindersOf(program).length, 2);
  },
);

scenario(
  "an app of a pod with users of its own has its user's streams",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.stage0.sandbox({ privateUsers: "200000:65536", overlay: false });
    const program = await pod.startSandbox();
    await add(
      stage,
      pod,
      "id -u; cat /proc/self/uid_map; echo mine >/dev/stdout; exec sleep 86917",
      {
        user: "volo",
        group: "volo",
      },
    );
    assertQuiet(await pod.apps.start("app"));
    await eventually("its words", () => told(program, "mine").length === 1);
    assertMatch(program.stdout, /1000\n.*0 +200000 +65536\n/);
    const status = readStatus(await sleeper());
    assertEquals(status.Uid, ["201000", "201000", "201000", "201000"].join("\t"));
  },
);

async function add({ image }: Stage, pod: Pod, script: string, fields: Partial<App> = {}) {
  const app = { exec: ["/bin/sh", "-c", script], ...fields };
  assertCode(await pod.apps.add({ image: await image({}), name: "app", app }), 0);
}

/** Waits for the status of the app. */
async function statusOf(pod: Pod): Promise<number | undefined> {
  await eventually("the app's end", () => pod.apps.status("app").state === "exited");
  return pod.apps.status("app").exitCode;
}

/** The lines of the app's that hold a word, without the prefix that says whose they are. */
function told({ stdout }: Program, word: string): string[] {
  return stdout.split("\n").filter((line) => line.includes(word));
}

/** The processes of this test's apps that have these arguments. */
function sleeping(duration = DURATION): number[] {
  return readProcesses().filter(({ argv, zombie }) =>
    !zombie && argv.join(" ") === `sleep ${duration}`
  )
    .map(({ pid }) => pid);
}

async function sleeper(duration = DURATION): Promise<number> {
  await eventually("the app", () => sleeping(duration).length === 1);
  return sleeping(duration)[0]!;
}
