/**
 * Tests of how a pod that is to end does so: backwards, each app by its own signal and within its
 * own time.
 */

import { assert, assertEquals, assertLess } from "@std/assert";
import { existsSync } from "node:fs";
import { assertCode, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually, type Host } from "./host.ts";
import { processOf, startUp } from "./pod_processes.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

/** An app of a test: its script, and how it wants to end. */
interface Wishes {
  text: string;
  signal?: string;
  timeout?: string;
  postStop?: string;
}

const SLEEP = "echo up; exec sleep 100";

/** It takes a while to end. Each line says which signal it got, or that it is about to end. */
const SLOW = `end() { echo got $1; sleep .3; echo ended; exit 0; }
  for s in TERM INT QUIT; do trap "end $s" $s; done
  echo up; while :; do sleep .02; done`;

const STUBBORN = `for s in TERM INT QUIT; do trap "echo got $s" $s; done
  echo up; while :; do sleep .02; done`;

function annotations({ signal, timeout }: Omit<Wishes, "text">): object[] {
  return [["stop-signal", signal], ["stop-timeout", timeout]].flatMap(([name, value]) =>
    value === undefined ? [] : [{ name: `stage1-volo/${name}`, value }]
  );
}

/** Composes a pod whose apps are called `a`, `b` and so on, and start in this order. */
async function compose({ scripts }: Stage, ...apps: Wishes[]): Promise<Pod> {
  const named = apps.map(({ text }, i) => [String.fromCharCode(97 + i), text]);
  const pod = await scripts(Object.fromEntries(named));
  await editJson(`${pod.dir}/pod`, (manifest) => {
    apps.forEach((wishes, i) => {
      manifest.apps[i].annotations = annotations(wishes);
      if (wishes.postStop === undefined) return;
      const exec = ["/bin/sh", "-c", wishes.postStop];
      manifest.apps[i].app.eventHandlers = [{ name: "post-stop", exec }];
    });
  });
  return pod;
}

/** What apps have written since they were up, without the time before each line. */
async function linesOf(program: Program): Promise<string[]> {
  const { stdout } = await program.result;
  const lines = stdout.trimEnd().split("\n").map((line) => line.replace(/^\[.*?\] /, ""));
  return lines.map((line) => line.replace(/\[\d+\]/, "")).filter((line) => !/\bup$/.test(line));
}

function statusesOf(pod: Pod, ...apps: string[]): string[] {
  return apps.map((app) => Deno.readTextFileSync(`${pod.stage1Rootfs}/rkt/status/${app}`).trim());
}

scenario(
  "apps end backwards, each when the one behind it has ended",
  { flavor: "either" },
  async (stage) => {
    await using pod = await compose(stage, { text: SLOW }, { text: SLOW }, { text: SLOW });
    const program = await startUp(pod, 3);
    assertQuiet(await pod.stop());
    assertEquals(
      await linesOf(program),
      ["c", "b", "a"].flatMap((app) => [`${app}: got TERM`, `${app}: ended`]),
    );
    assertCode(await program.result, 0);
  },
);

scenario(
  "when an app fails, the others end backwards",
  { flavor: "either" },
  async (stage) => {
    const failing = "trap 'exit 4' USR1; echo up; while :; do sleep .02; done";
    await using pod = await compose(stage, { text: SLOW }, { text: failing }, { text: SLOW });
    const program = await startUp(pod, 3);
    Deno.kill(processOf(program, "b"), "SIGUSR1");
    assertEquals(await linesOf(program), ["c: got TERM", "c: ended", "a: got TERM", "a: ended"]);
    assertCode(await program.result, 4);
  },
);

scenario(
  "each app gets its own stop signal, and has not failed when it ends by that",
  { flavor: "either" },
  async (stage) => {
    await using pod = await compose(
      stage,
      { text: SLOW, signal: "SIGINT" },
      { text: SLOW, signal: "quit" },
      { text: SLEEP, signal: "SIGRTMIN+3" },
      { text: SLEEP, signal: "2" },
      { text: SLEEP },
    );
    const program = await startUp(pod, 5);
    program.kill("SIGTERM");
    assertEquals(await linesOf(program), ["b: got QUIT", "b: ended", "a: got INT", "a: ended"]);
    assertCode(await program.result, 0);
    assertEquals(statusesOf(pod, "a", "b", "c", "d", "e"), ["0", "0", "0", "0", "0"]);
  },
);

scenario(
  "an app that another signal than its own ends has failed",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await compose(stage, { text: SLEEP, signal: "SIGQUIT" }, { text: STUBBORN });
    const program = await startUp(pod, 2);
    program.kill("SIGTERM");
    await program.prints("got TERM");
    Deno.kill(processOf(program, "a"), "SIGTERM");
    await eventually("its status", () => existsSync(`${pod.stage1Rootfs}/rkt/status/a`));
    program.kill("SIGTERM");
    assertCode(await program.result, 143);
    assertEquals(statusesOf(pod, "a", "b"), ["143", "137"]);
  },
);

scenario(
  "an app that takes longer than its own time is killed, and then the next one is asked",
  { flavor: "either" },
  async (stage) => {
    await using pod = await compose(stage, { text: SLOW }, { text: STUBBORN, timeout: "1" });
    const program = await startUp(pod, 2);
    const before = performance.now();
    assertQuiet(await pod.stop());
    assertEquals(await linesOf(program), ["b: got TERM", "a: got TERM", "a: ended"]);
    const seconds = (performance.now() - before) / 1000;
    assert(seconds >= 1, `${seconds}`);
    assertLess(seconds, 20);
    assertEquals(statusesOf(pod, "a", "b"), ["0", "137"]);
    assertCode(await program.result, 137);
  },
);

scenario("an app without any time is killed, not asked", { flavor: "either" }, async (stage) => {
  await using pod = await compose(stage, { text: SLOW }, { text: STUBBORN, timeout: "0" });
  const program = await startUp(pod, 2);
  assertQuiet(await pod.stop());
  assertEquals(await linesOf(program), ["a: got TERM", "a: ended"]);
  assertEquals(statusesOf(pod, "a", "b"), ["0", "137"]);
});

scenario(
  "the app before is asked when a post-stop handler has ended",
  { flavor: "either" },
  async (stage) => {
    const postStop = "sleep .3; echo handled";
    await using pod = await compose(stage, { text: SLOW }, { text: SLOW, postStop });
    const program = await startUp(pod, 2);
    assertQuiet(await pod.stop());
    assertEquals(await linesOf(program), [
      ...["b: got TERM", "b: ended", "b: handled"],
      ...["a: got TERM", "a: ended"],
    ]);
  },
);

scenario("a second signal does not wait", { flavor: "either" }, async (stage) => {
  await using pod = await compose(stage, { text: STUBBORN }, { text: STUBBORN });
  const program = await startUp(pod, 2);
  program.kill("SIGTERM");
  await program.prints("got TERM");
  program.kill("SIGTERM");
  assertEquals(await linesOf(program), ["b: got TERM"]);
  assertEquals(statusesOf(pod, "a", "b"), ["137", "137"]);
});

scenario(
  "an app that stops itself when it is asked does not keep the others from their end",
  { flavor: "either" },
  async (stage) => {
    const stopping = `trap 'kill -STOP $$' TERM; echo up; while :; do sleep .02; done`;
    await using pod = await compose(stage, { text: SLOW }, { text: stopping, timeout: "1" });
    const program = await startUp(pod, 2);
    assertQuiet(await pod.stop());
    assertEquals(await linesOf(program), ["a: got TERM", "a: ended"]);
    assertEquals(statusesOf(pod, "a", "b"), ["0", "137"]);
  },
);

/** Has the only app of a pod say how it wants to end, and its image as well. */
async function wish(pod: Pod, ofPod: Omit<Wishes, "text">, ofImage: Omit<Wishes, "text"> = {}) {
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.apps[0].annotations = annotations(ofPod);
  });
  await editJson(`${pod.dir}/appsinfo/app/manifest`, (manifest) => {
    manifest.annotations = annotations(ofImage);
  });
}

scenario(
  "stop asks the only app by its own signal",
  { flavor: "either" },
  async ({ script }) => {
    for (const [ofPod, ofImage] of [["QUIT", "INT"], [undefined, "SIGQUIT"]] as const) {
      await using pod = await script(SLOW);
      await wish(pod, ofPod ? { signal: ofPod } : {}, { signal: ofImage });
      const program = await startUp(pod);
      assertQuiet(await pod.stop());
      assertEquals(await linesOf(program), ["got QUIT", "ended"]);
      assertQuiet(await program.result);
    }
  },
);

scenario(
  "stop asks by the app's own signal what an app has left behind",
  async ({ script }) => {
    const left = `(trap 'touch /asked; exit' USR1; touch /up; while :; do sleep .02; done)`;
    await using pod = await script(
      `${left} >/dev/null 2>&1 & until [ -e /up ]; do sleep .02; done`,
    );
    await wish(pod, { signal: "USR1" });
    assertQuiet(await pod.run());
    assertQuiet(await pod.stop());
    await eventually("its trap", () => existsSync(`${pod.appRootfs()}/asked`));
  },
);

scenario("stop takes no other signal of the record than there are", async ({ script }) => {
  for (const stopSignal of [0, 65, -9, 1.5, "9", null, {}]) {
    await using pod = await script(SLEEP);
    const program = await startUp(pod);
    await editJson(`${pod.dir}/processes`, (record) => {
      record.processes[0].stopSignal = stopSignal;
    });
    if (stopSignal === null) assertQuiet(await pod.stop());
    else {
      assertRefused(await pod.stop(), "stop", /processes: stopSignal: not as run wrote it/);
      assertEquals(program.ended, false);
      assertQuiet(await pod.stop({ force: true }));
    }
    await program.result;
  }
});

const WRONG: [what: string, wishes: Omit<Wishes, "text">, matter: RegExp][] = [
  ["a stop signal that there is not", { signal: "SIGNOPE" }, /"SIGNOPE" is no signal/],
  ["a stop signal that ends nothing", { signal: "SIGSTOP" }, /"SIGSTOP" stops an app/],
  ["a stop timeout with a unit", { timeout: "10s" }, /"10s" is no number of seconds/],
  ["a stop timeout below zero", { timeout: "-1" }, /"-1" is no number of seconds/],
];

for (const [what, wishes, matter] of WRONG) {
  scenario(`run refuses ${what}, by its place`, { flavor: "either" }, async ({ script }) => {
    await using pod = await script("echo started");
    await wish(pod, wishes, {});
    const result = await pod.run();
    assertRefused(result, "run", matter);
    assertRefused(result, "run", /apps\[0\]\.annotations\[0\]\.value: /);
  });
}

scenario("an image's own stop signal is read as strictly", { flavor: "either" }, async (
  { script },
) => {
  await using pod = await script("echo started");
  await wish(pod, {}, { signal: "SIGNOPE" });
  const result = await pod.run();
  assertRefused(result, "run", /image ".*": annotations\[0\]\.value: "SIGNOPE" is no signal/);
});

/** A caller that ignores SIGINT, as a shell has its background jobs do. */
const DEAF: Host = { wrap: (argv) => ["sh", "-c", `trap '' INT; exec "$@"`, "sh", ...argv] };

scenario("an app hears its own signal although the caller of rkt ignores it", {
  flavor: "either",
}, async (stage) => {
  await using pod = await compose(stage, { text: SLEEP, signal: "SIGINT", timeout: "5" });
  const program = await startUp(pod, 1, { host: DEAF });
  assertQuiet(await pod.stop());
  const { code, signal } = await program.result;
  assertEquals(signal ?? code, signal === null ? 0 : "SIGINT");
});
