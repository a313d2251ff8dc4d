/** Tests of `rkt attach` where there is nobody, or no room: apps and pods that begin and end. */

import { assert, assertEquals } from "@std/assert";
import { ECHO, logs, startAttachable, STREAMS } from "./attaching.ts";
import { assertCode, assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { Sandbox } from "./sandboxes.ts";
import { scenario } from "./scenario.ts";

/** How many may be attached to a pod at a time, and how many it answers at a time. */
const MOST_ATTACHED = 48;
const MOST_CLIENTS = 64;

scenario(
  "an app is attached to when it has started, and said not to run before and after",
  { flavor: "either" },
  async (stage) => {
    const handler = (name: "pre-start" | "post-stop") => ({
      name,
      exec: ["/bin/sh", "-c", `echo ${name}; until test -e /${name}; do sleep .05; done`],
    });
    const app = { eventHandlers: [handler("pre-start"), handler("post-stop")] };
    await using sandbox = await Sandbox.open(stage);
    const { pod } = sandbox;
    const letGo = (name: string) => Deno.writeTextFileSync(`${pod.appRootfs("app")}/${name}`, "");
    const refused = async (matter: RegExp) => {
      for (const mode of ["auto", "list", "stdout"]) {
        assertRefused(await pod.apps.attach("app", { mode }).result, "attach", matter);
      }
    };
    assertQuiet(await sandbox.add("app", ECHO, { app, streams: STREAMS }));
    await refused(/: app "app" does not run: it has yet to start$/m);
    const starter = pod.apps.startStart("app");
    await sandbox.prints("app", "pre-start");
    await refused(/: app "app" does not run: it has yet to start$/m);
    letGo("pre-start");
    assertQuiet(await starter.result);
    assertCode(await pod.apps.attach("app", { stdin: "one\n" }).result, 0);
    await sandbox.prints("app", "post-stop");
    await refused(/: app "app" does not run: it has ended$/m);
    letGo("post-stop");
    assertEquals(await sandbox.ends("app"), 0);
    await refused(/: app "app" does not run: it has ended$/m);
    await sandbox.remove("app");
    await refused(/: the pod has no app "app"$/m);
    await sandbox.close();
    await refused(/: (the pod has ended|nobody can be asked: .*)$/m);
  },
);

/** What a client may be told of an app that comes and goes, and of a pod that ends. */
const TOLD = [
  'app "app" does not run: it has yet to start',
  'app "app" does not run: it has ended',
  'the pod has no app "app"',
  "the pod has ended",
].map((line) => `254 attach: ${line}\n`);

scenario(
  "whatever becomes of an app and its pod meanwhile, a client ends, and says why",
  { flavor: "either" },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { pod } = sandbox;
    let goesOn = true;
    const outcomes: string[] = [];
    const attachAgain = async (mode: string) => {
      while (goesOn) {
        const { code, stderr } = await pod.apps.attach("app", { mode }).result;
        if (code !== 0 || stderr !== "") outcomes.push(`${code} ${stderr}`);
      }
    };
    await sandbox.launch("app", ECHO, { streams: STREAMS });
    const clients = ["auto", "stdout"].map(attachAgain);
    for (let times = 0; times < 2; times++) {
      await sandbox.stop("app");
      await sandbox.start("app");
    }
    await sandbox.remove("app");
    await sandbox.launch("app", ECHO, { streams: STREAMS });
    assertQuiet(await pod.stop());
    assertCode(await sandbox.run.result, 0);
    goesOn = false;
    await Promise.all(clients);
    await sandbox.collect();
    assertEquals(outcomes.filter((it) => !TOLD.includes(it)), []);
    assert(outcomes.length > 0);
  },
);

scenario(
  "who is attached when a pod is stopped sees the app's last words, and those who come then do too",
  { flavor: "isolated" },
  async (stage) => {
    const text = "trap 'echo asked; read -r line; echo last; exit 0' TERM; echo up; " +
      "while :; do sleep .05; done";
    await using made = await startAttachable(stage, text);
    const { pod, run } = made;
    await logs(pod, "up");
    const before = pod.apps.attach("app", { mode: "stdout" });
    await sleep(500);
    const stopped = pod.stop();
    await before.prints("asked");
    const late = await pod.apps.attach("app", { stdin: "go\n" }).result;
    assertPrints(late, "last\n");
    assertPrints(await before.result, "asked\nlast\n");
    assertCode(await stopped, 0);
    await run.result;
    for (const mode of ["auto", "list"]) {
      assertRefused(
        await pod.apps.attach("app", { mode }).result,
        "attach",
        /: the pod has ended$/m,
      );
    }
  },
);

scenario("who is attached when run is killed is told", { flavor: "either" }, async (stage) => {
  await using sandbox = await Sandbox.open(stage);
  await sandbox.launch("app", ECHO, { streams: STREAMS });
  const client = sandbox.pod.apps.attach("app", { mode: "stdin,stdout", keepsStdin: true });
  await client.write("one\n");
  await client.prints("got one");
  sandbox.run.kill("SIGKILL");
  assertRefused(await client.result, "attach", /: the pod has ended$/m);
  await sandbox.run.result;
  await sandbox.collect();
});

scenario(
  "a client that waits for a supervisor that is stopped ends by ^C",
  { flavor: "isolated" },
  async (stage) => {
    await using made = await startAttachable(stage, ECHO);
    const { pod, run } = made;
    run.kill("SIGSTOP");
    try {
      for (const mode of ["list", "auto", "stdin,stdout", "stderr"]) {
        const client = pod.apps.attach("app", { mode, keepsStdin: true });
        await sleep(1000);
        assertEquals(client.ended, false);
        client.kill("SIGINT");
        await eventually("the client's end", () => client.ended);
        assertEquals((await client.result).signal, "SIGINT");
      }
    } finally {
      run.kill("SIGCONT");
    }
    const client = await pod.apps.attach("app", { stdin: "one\n" }).result;
    assertPrints(client, "got one\nend\n");
  },
);

scenario(
  "clients that are too many are refused, and keep nobody from changing the pod",
  { flavor: "isolated", patience: 120_000 },
  async (stage) => {
    await using sandbox = await Sandbox.open(stage);
    const { apps } = sandbox.pod;
    const text = "echo up; while :; do echo word; sleep 1; done";
    await sandbox.launch("app", text, { streams: STREAMS });
    await sandbox.launch("other", "exit 0");
    const clients = Array.from(
      { length: MOST_CLIENTS },
      () => apps.attach("app", { mode: "stdout" }),
    );
    const attached = () => clients.filter(({ stdout }) => stdout.includes("word"));
    const refused = () => clients.filter(({ ended }) => ended);
    await eventually(
      "each is attached or refused",
      () => attached().length + refused().length === MOST_CLIENTS,
    );
    assertEquals(attached().length, MOST_ATTACHED);
    for (const client of refused()) {
      assertRefused(await client.result, "attach", /: 48 clients are attached already$/m);
    }
    await sandbox.start("other");
    assertEquals(await sandbox.ends("other"), 0);
    assertEquals((await apps.attach("app", { mode: "list" }).result).code, 0);
    const [first, ...others] = attached();
    first!.kill("SIGINT");
    await first!.result;
    const next = apps.attach("app", { mode: "stdout" });
    await next.prints("word");
    await sandbox.stop("app");
    for (const client of [...others, next]) assertQuiet(await client.result);
    await sandbox.close();
  },
);
