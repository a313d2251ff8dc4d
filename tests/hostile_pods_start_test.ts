/**
 * Tests of hostile pods: apps that are started while another one attacks. They show nothing of the
 * host, and their minders neither lie nor hang, whatever an app does to its own parent.
 */

import { assert, assertEquals } from "@std/assert";
import { assertCode, assertQuiet } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { layBait, spoilsOf } from "./hostile_pods/bait.ts";
import {
  AS_USER,
  BY_DEFAULT,
  RESTRICTED,
  type Stance,
  WITH_PRIVATE_USERS,
  withCapability,
  withPrivateUsers,
} from "./hostile_pods/stances.ts";
import { mindersOf } from "./pod_processes.ts";
import { isAlive, readProcesses } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { App, Pod, Program } from "./stage0.ts";

const MAY_TRACE = withCapability("CAP_SYS_PTRACE");
const MAY_TRACE_OWN = withPrivateUsers(MAY_TRACE);

/** A sandbox in which an attacker runs. */
interface Attacked extends AsyncDisposable {
  pod: Pod;
  program: Program;
  /** Adds another app, which has what the attacker has. */
  add(name: string, app: Partial<App>): Promise<void>;
}

async function attacked(stage: Stage, stance: Stance, attack: string[]): Promise<Attacked> {
  const { app, privateUsers } = stance;
  const options = privateUsers ? { privateUsers, overlay: false } : {};
  const pod = await stage.stage0.sandbox(options);
  const image = await hostileImage(stage);
  const add = async (name: string, fields: Partial<App>) =>
    assertCode(await pod.apps.add({ image, name, app: { ...app, ...fields } }), 0);
  const program = await pod.startSandbox();
  await add("app", { exec: [HOSTILE, ...attack] });
  assertQuiet(await pod.apps.start("app"));
  return { pod, program, add, [Symbol.asyncDispose]: () => pod[Symbol.asyncDispose]() };
}

const TRUE = ["/bin/true"];
const HANDLERS = ["pre-start", "post-stop"].map((name) => ({ name, exec: TRUE }));

for (const stance of [BY_DEFAULT, AS_USER, WITH_PRIVATE_USERS, MAY_TRACE, MAY_TRACE_OWN]) {
  scenario(
    `an app that is started later shows nothing of the host, ${stance.what}`,
    { flavor: "isolated", needs: COMPILER },
    async (stage) => {
      const bait = await layBait(stage.dir);
      await using pod = await attacked(stage, stance, ["hold", bait.path]);
      await eventually("the attacker", () => pod.program.stdout.includes("up"));
      await pod.add("other", { exec: TRUE, eventHandlers: HANDLERS.slice(1) });
      for (let attempt = 0; attempt < 1; attempt++) {
        const started = await pod.pod.apps.start("other", { env: { VOLO_SECRET: bait.secret } });
        assertQuiet(started);
        await exitOf(pod.pod, "other");
      }
      bait.assertUntouched(pod.pod);
      assertEquals(spoilsOf(pod.pod, "list"), undefined, "a list of calls can be changed");
    },
  );
}

scenario(
  `who changes an app that begins puts no process of the host in its place, ${MAY_TRACE.what}`,
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    await using victim = new Deno.Command("sleep", { args: ["1000"] }).spawn();
    await using pod = await attacked(stage, MAY_TRACE, ["regrow", `${victim.pid}`]);
    await eventually("the attacker", () => pod.program.stdout.includes("up"));
    await pod.add("other", { exec: ["/bin/sleep", "1000"] });
    // The attacker misses some.
    for (let attempt = 0; attempt < 20 && spoilsOf(pod.pod, "held") === undefined; attempt++) {
      await pod.pod.apps.start("other");
      await pod.pod.apps.stop("other");
    }
    assertEquals(spoilsOf(pod.pod, "held"), "", "no process was held as it began");
    assert(isAlive(victim.pid), "a process of the host was killed");
    assertEquals(spoilsOf(pod.pod, "list"), undefined, "a list of calls can be changed");
  },
);

scenario(
  "no device is opened that an app puts in the place of the file in which users are looked up",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const text = "mkdir /dev/work /dev/nodes; echo hero:x:77:77::/:/bin/sh >/dev/work/passwd; " +
      `mknod /dev/nodes/passwd c 1 5; exec ${HOSTILE} exchange /dev /dev/nodes`;
    await using pod = await stage.stage0.sandbox({});
    const program = await pod.startSandbox();
    const app = { exec: ["/bin/sh", "-c", text] };
    assertQuiet(await pod.apps.add({ image: await hostileImage(stage), name: "app", app }));
    assertQuiet(await pod.apps.start("app"));
    await eventually("the attacker", () => program.stdout.includes("up"));
    const image = await stage.image({ files: { "/etc/passwd": { link: "/dev/work/passwd" } } });
    const outcomes = new Set<string>();
    for (let attempt = 0; attempt < 12; attempt++) {
      const name = `other-${attempt}`;
      const { stderr } = await pod.apps.add({ image, name, app: { user: "hero", group: "0" } });
      outcomes.add(stderr.replace(/^.*passwd of the app: /, ""));
    }
    outcomes.delete("");
    outcomes.delete("not a regular file\n");
    assertEquals([...outcomes], []);
  },
);

/** How many milliseconds something may take that a process is stopped in. */
const WHILE = 15_000;

scenario(
  "a start whose process is stopped on the way comes to an end, and the pod can be ended",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    await using pod = await attacked(stage, BY_DEFAULT, ["stop_next"]);
    await pod.add("other", { exec: ["/bin/sleep", "1000"], eventHandlers: HANDLERS.slice(1) });
    const starter = pod.pod.apps.startStart("other");
    const deadline = Date.now() + WHILE;
    while (!starter.ended && Date.now() < deadline) await sleep(20);
    assert(starter.ended, "app-start hangs");
    const minders = mindersOf(pod.program);
    assertCode(await pod.pod.stop({ force: true }), 0);
    await pod.program.result;
    await eventually("the end of all", () => minders.every((pid) => !isAlive(pid)));
  },
);

scenario(
  "an app that makes children of its minder is told of alone",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    await using pod = await attacked(stage, BY_DEFAULT, ["siblings"]);
    await sleep(500);
    assertEquals(pod.pod.apps.status("app").state, "running");
    assertQuiet(await pod.pod.apps.stop("app"));
    assertEquals(pod.pod.apps.status("app").state, "exited");
  },
);

scenario(
  "an added app that a child of it traces ends",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    await using pod = await attacked(stage, BY_DEFAULT, ["trace"]);
    assertEquals(await exitOf(pod.pod, "app"), 0);
  },
);

for (const [flavor, stance] of [["isolated", AS_USER], ["host", RESTRICTED]] as const) {
  scenario(
    `an app that would outlive its minder does not (${stance.what})`,
    { flavor, needs: COMPILER },
    async (stage) => {
      await using pod = await attacked(stage, stance, ["outlive"]);
      await eventually("the attacker", () => pod.program.stdout.includes("up"));
      const [minder] = mindersOf(pod.program);
      const app = readProcesses().find(({ parent }) => parent === minder)!;
      Deno.kill(minder!, "SIGKILL");
      await eventually("the end of the app", () => !isAlive(app.pid));
      assertEquals(await exitOf(pod.pod, "app"), 137);
    },
  );
}

scenario(
  "an app that kills its minder ends with it, and the pod lives on",
  { flavor: "host" },
  async (stage) => {
    await using pod = await stage.stage0.sandbox({});
    const program = await pod.startSandbox();
    const exec = ["/bin/sh", "-c", "sleep 0.5; kill -KILL $PPID; sleep 1000"];
    assertQuiet(await pod.apps.add({ image: await stage.image({}), name: "app", app: { exec } }));
    assertQuiet(await pod.apps.start("app"));
    assertEquals(await exitOf(pod, "app"), 137);
    assertEquals(program.ended, false);
  },
);

async function exitOf(pod: Pod, app: string): Promise<number | undefined> {
  await eventually(`the end of ${app}`, () => pod.apps.status(app).state === "exited");
  return pod.apps.status(app).exitCode;
}
