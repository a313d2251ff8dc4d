/**
 * Tests of hostile pods: processes that enter the pod. They show nothing of the host while they
 * begin. Whatever an attacker does to them, `run` and `enter` go on, and the pod can be ended.
 */

import { assert, assertEquals } from "@std/assert";
import { assertCode } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { type Bait, layBait, spoilsOf } from "./hostile_pods/bait.ts";
import { HOSTILE_PATTERN, patternAround } from "./hostile_pods/core_pattern.ts";
import {
  AS_USER,
  BY_DEFAULT,
  type Stance,
  WITH_PRIVATE_USERS,
  withCapability,
  withPrivateUsers,
} from "./hostile_pods/stances.ts";
import { startUp } from "./pod_processes.ts";
import { childrenOf, isAlive } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { App, Pod, Program } from "./stage0.ts";

const MAY_TRACE = withCapability("CAP_SYS_PTRACE");
const MAY_TRACE_OWN = withPrivateUsers(MAY_TRACE);

/** Composes a pod whose first app is the attacker; the others have the same stance. */
async function compose(
  stage: Stage,
  { app, privateUsers }: Stance,
  attack: string[],
  others: Record<string, Partial<App>> = {},
): Promise<Pod> {
  const image = await hostileImage(stage);
  const apps = Object.entries({ app: { exec: [HOSTILE, ...attack] }, ...others }).map(
    ([name, fields]) => ({ image, name, app: { ...app, ...fields } }),
  );
  return await stage.stage0.prepare({ apps, ...privateUsers ? { privateUsers } : {} });
}

const TRUE = ["/bin/true"];
const WAIT = ["/bin/sh", "-c", "echo up; exec sleep 100"];
const HANDLERS = [{ name: "pre-start", exec: TRUE }];

// What processes show.

/** Returns variables of the host that no process of a pod may know. */
function variables({ secret }: Bait): { env: Record<string, string> } {
  return { env: { VOLO_SECRET: secret } };
}

/**
 * Asserts that the attacker neither reached the host nor changed what a process was about to do.
 */
function assertHeldNothing(pod: Pod, bait: Bait): void {
  bait.assertUntouched(pod);
  assertEquals(spoilsOf(pod, "list"), undefined, "a list of calls can be changed");
}

for (const stance of [BY_DEFAULT, AS_USER, WITH_PRIVATE_USERS, MAY_TRACE, MAY_TRACE_OWN]) {
  scenario(
    `a command that begins shows nothing of the host, ${stance.what}`,
    { flavor: "isolated", needs: COMPILER },
    async (stage) => {
      const bait = await layBait(stage.dir);
      await using pod = await compose(stage, stance, ["hold", bait.path]);
      await startUp(pod);
      for (let attempt = 0; attempt < 8; attempt++) {
        assertCode(await pod.enter("app", TRUE, variables(bait)), 0);
      }
      assertHeldNothing(pod, bait);
    },
  );

  scenario(
    `an app that begins shows nothing of the host, ${stance.what}`,
    { flavor: "isolated", needs: COMPILER },
    async (stage) => {
      const bait = await layBait(stage.dir);
      const others = {
        second: { exec: WAIT, eventHandlers: HANDLERS },
        third: { exec: WAIT, eventHandlers: HANDLERS },
      };
      for (let attempt = 0; attempt < 3; attempt++) {
        await using pod = await compose(stage, stance, ["hold", bait.path], others);
        await startUp(pod, 3, variables(bait));
        assertHeldNothing(pod, bait);
      }
    },
  );
}

scenario(
  `a command that is changed as it begins shares no list of calls, ${MAY_TRACE.what}`,
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    // No process has the id 0.
    await using pod = await compose(stage, MAY_TRACE, ["regrow", "0"]);
    await startUp(pod);
    // The attacker misses some.
    for (let attempt = 0; attempt < 20 && spoilsOf(pod, "held") === undefined; attempt++) {
      const command = pod.startEnter("app", TRUE);
      await isOver(command, SOON);
      command.kill("SIGKILL");
    }
    assertEquals(spoilsOf(pod, "held"), "", "no command was held as it began");
    assertEquals(spoilsOf(pod, "list"), undefined, "a list of calls can be changed");
  },
);

scenario(
  `pid 1 leads to no setting of the host's, ${MAY_TRACE.what}`,
  { flavor: "isolated" },
  async (stage) => {
    const path = "/proc/1/root/proc/sys/kernel/core_pattern";
    const text = `echo ${HOSTILE_PATTERN} >${path}; echo up; exec sleep 100`;
    await using pod = await stage.script(text, { app: MAY_TRACE.app });
    const { before, after } = await patternAround(async () => {
      await startUp(pod);
    });
    assertEquals(after, before);
  },
);

// Processes that are stopped as they begin.

/** Lists all processes that descend from a program, and the program itself. */
function family(program: Program): number[] {
  const withDescendants = (pid: number): number[] => [
    pid,
    ...childrenOf(pid).flatMap((child) => withDescendants(child.pid)),
  ];
  return withDescendants(program.pid);
}

/** How many milliseconds an attacker has to stop a process. */
const WHILE = 1_200;

/** How many milliseconds something may take that waits for nothing. */
const SOON = 4_000;

async function isOver(program: Program, milliseconds: number): Promise<boolean> {
  const deadline = Date.now() + milliseconds;
  while (!program.ended && Date.now() < deadline) await sleep(10);
  return program.ended;
}

/** What a pod has to start beside the attacker, and what the attacker may stop. */
const VICTIMS: [what: string, others: Record<string, Partial<App>>][] = [
  [
    "an app",
    Object.fromEntries(["two", "three", "four", "five"].map((name) => [name, { exec: WAIT }])),
  ],
  ["a handler", { second: { exec: WAIT, eventHandlers: HANDLERS } }],
];

/** The ways to end a pod at once. */
const ENDS: [what: string, end: (pod: Pod, program: Program) => Promise<void>][] = [
  ["stop --force", async (pod) => assertCode(await pod.stop({ force: true }), 0)],
  ["the death of run", (_, program) => Promise.resolve(program.kill("SIGKILL"))],
];

for (const [victim, others] of VICTIMS) {
  for (const [what, end] of ENDS) {
    scenario(
      `a pod in which ${victim} is stopped as it begins ends by ${what}`,
      { flavor: "isolated", needs: COMPILER },
      async (stage) => {
        await using pod = await compose(stage, BY_DEFAULT, ["stop_next"], others);
        const program = await pod.launch();
        // While run hangs, it does not pass on what the attacker prints.
        await sleep(WHILE);
        const all = family(program);
        await end(pod, program);
        assert(await isOver(program, SOON), "run hangs");
        await eventually("the end of all", () => all.every((pid) => !isAlive(pid)));
        assertEquals(await pod.isRunning(), false);
      },
    );
  }
}

scenario("an enter whose command is stopped as it begins can be ended", {
  flavor: "isolated",
  needs: COMPILER,
}, async (stage) => {
  await using pod = await compose(stage, BY_DEFAULT, ["stop_next"]);
  await startUp(pod);
  for (let attempt = 0; attempt < 3; attempt++) {
    const program = pod.startEnter("app", ["/bin/sleep", "100"]);
    await sleep(WHILE / 2);
    program.kill("SIGTERM");
    // `enter` stops when its command stops.
    program.kill("SIGCONT");
    assert(await isOver(program, SOON), "enter hangs");
  }
});

scenario("an app's children that are run's are no burden to it", {
  flavor: "isolated",
  needs: COMPILER,
}, async (stage) => {
  await using pod = await compose(stage, BY_DEFAULT, ["siblings"], { other: { exec: WAIT } });
  const program = await startUp(pod, 2);
  await eventually(
    "the end of the strangers",
    () => childrenOf(program.pid).every(({ pid }) => isAlive(pid)),
  );
  assertCode(await pod.enter("other", TRUE), 0);
  assertCode(await pod.stop(), 0);
  await program.result;
});
