/**
 * Tests of signals to `run` and `enter`: which reach the apps, which are ignored, and that none
 * ends a pod without the apps' exit statuses.
 */

import { assertEquals } from "@std/assert";
import { CATCHABLE_SIGNALS } from "../src/linux/signal_numbers.ts";
import { assertPrints } from "./expect.ts";
import { eventually, type Host, must, sleep, which } from "./host.ts";
import { startUp } from "./pod_processes.ts";
import { isAlive } from "./procfs.ts";
import { scenario, type SimplePod } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

const UP = "echo up; exec sleep 100";

const HANDLER = { name: "post-stop", exec: ["/bin/sh", "-c", "exit 0"] };

/** The shapes of pods that have one app. */
const SHAPES: [what: string, flavor: "host" | "isolated", options: SimplePod][] = [
  ["that run becomes", "host", {}],
  ["with an event handler", "host", { app: { eventHandlers: [HANDLER] } }],
  ["in namespaces of its own", "isolated", {}],
];

/**
 * Signals that ask a pod to end, stop it, or tell of children; and two that libc keeps for itself.
 */
const APART = [2, 3, 15, 17, 20, 21, 22, 32, 33];

const PASSED = CATCHABLE_SIGNALS.filter((signal) => !APART.includes(signal));

for (const [what, flavor, options] of SHAPES) {
  scenario(`every signal to run reaches an app ${what}`, { flavor }, async ({ script }) => {
    const trap = `for n in ${PASSED.join(" ")}; do trap "echo got $n." $n; done`;
    await using pod = await script(`${trap}; echo up; while :; do sleep .02; done`, options);
    const program = await startUp(pod);
    for (const signal of PASSED) {
      await kill(program, signal);
      await program.prints(`got ${signal}.\n`);
    }
    program.kill("SIGKILL");
    await program.result;
  });
}

for (const [what, flavor, options] of SHAPES.slice(1)) {
  scenario(
    `a signal that ends an app ${what} leaves its exit status`,
    { flavor },
    async ({ script }) => {
      for (const signal of [6, 11, 32, 34, 64]) {
        await using pod = await script(UP, options);
        const program = await startUp(pod);
        await kill(program, signal);
        assertEquals((await program.result).code, 128 + signal);
        const status = await Deno.readTextFile(`${pod.stage1Rootfs}/rkt/status/app`);
        assertEquals(status, `${128 + signal}\n`);
      }
    },
  );
}

/** By number, as most of them have no name. */
async function kill({ pid }: Program, signal: number): Promise<void> {
  await must(["sh", "-c", `kill -${signal} ${pid}`]);
}

for (const [what, flavor, options] of SHAPES) {
  scenario(`nohup keeps a pod with an app ${what} from a hangup`, { flavor }, async (stage) => {
    await using pod = await stage.script(UP, options);
    const program = await startUp(pod, 1, { ignoredSignals: ["HUP", "INT", "QUIT"] });
    for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT"] as const) program.kill(signal);
    await sleep(200);
    assertEquals(program.ended, false);
    assertPrints(await pod.enter("app", ["/bin/echo", "runs"]), "runs\n");
    await pod.stop({ force: true });
    await program.result;
  });
}

scenario("nohup keeps a pod of two apps from a hangup", { flavor: "either" }, async (stage) => {
  await using pod = await stage.scripts({ one: UP, two: UP });
  const program = await startUp(pod, 2, { ignoredSignals: ["HUP", "INT"] });
  program.kill("SIGHUP");
  program.kill("SIGINT");
  await sleep(200);
  assertEquals(program.ended, false);
  await pod.stop();
  await program.result;
});

scenario("nohup keeps a command from a hangup", { flavor: "either" }, async ({ script }) => {
  await using pod = await script(UP);
  await startUp(pod);
  const text = "echo in; sleep .5; echo still here";
  const options = { ignoredSignals: ["HUP"] };
  const entered = pod.startEnter("app", ["/bin/sh", "-c", text], options);
  await entered.prints("in");
  entered.kill("SIGHUP");
  assertPrints(await entered.result, "in\nstill here\n");
});

/** A host whose programs ignore the end of children. Not every shell lets a script do that. */
const CHILDLESS: Host = {
  wrap: (argv) => ["bash", "-c", "trap '' CHLD; exec \"$@\"", "bash", ...argv],
};

const BASH = { what: "bash", met: which("bash") !== undefined };

scenario(
  "a caller that ignores the end of its children does not confuse run or enter",
  { flavor: "either", needs: [BASH] },
  async ({ scripts }) => {
    await using pod = await scripts({ one: UP, two: UP });
    const program = await startUp(pod, 2, { host: CHILDLESS });
    const exit = ["/bin/sh", "-c", "exit 9"];
    assertEquals((await pod.enter("one", exit, { host: CHILDLESS })).code, 9);
    await pod.stop();
    const { code, stderr } = await program.result;
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
  },
);

scenario(
  "a pod that a shell has stopped ends when it is asked to",
  { flavor: "either" },
  async (stage) => {
    await using pod: Pod = await stage.scripts({ one: UP, two: UP });
    const program = await startUp(pod, 2);
    await kill(program, 19);
    await pod.stop();
    await eventually("the end", () => !isAlive(program.pid));
    assertEquals((await program.result).code, 0);
  },
);

scenario(
  "an app that has stopped ends at once when the pod is asked to",
  { flavor: "either" },
  async ({ script }) => {
    await using pod = await script("echo up; kill -STOP $$; sleep 100", {
      app: { eventHandlers: [HANDLER] },
    });
    const program = await startUp(pod);
    await sleep(100);
    await pod.stop();
    await eventually("the end", () => !isAlive(program.pid));
    assertEquals((await program.result).code, 0);
  },
);

scenario(
  "an app that run became, and has stopped, ends when it is asked to",
  async ({ script }) => {
    await using pod = await script("echo up; kill -STOP $$; sleep 100");
    const program = await startUp(pod);
    await sleep(100);
    await pod.stop();
    assertEquals((await program.result).signal, "SIGTERM");
  },
);
