/**
 * Tests of a caller that does not read what `run` writes, or no more: the pod can still be ended,
 * and goes on where its log has a reader's place.
 */

import { assertEquals } from "@std/assert";
import { assertQuiet } from "./expect.ts";
import { eventually, type Host, must, sleep } from "./host.ts";
import { signalIfThere, startUp } from "./pod_processes.ts";
import { childrenOf, isAlive } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

/** An app that writes without end. */
const FLOOD = "yes";

/** An app that writes without end and ignores SIGTERM. */
const STUBBORN = "trap '' TERM; yes";

/** The bytes that a pipe holds: pipe(7). */
const PIPE_SIZE = 65_536;

/** Makes a host whose programs write to a pipe that nobody reads. */
async function stalledHost(dir: string, isFull = false): Promise<Host & Disposable> {
  const path = `${dir}/pipe`;
  await must(["mkfifo", path]);
  // Opening a FIFO to write waits for a reader; this one is open but reads nothing.
  const reader = Deno.openSync(path, { read: true, write: true });
  if (isFull) reader.writeSync(new Uint8Array(PIPE_SIZE));
  return {
    wrap: (argv) => ["/bin/sh", "-c", 'exec "$@" >"$0" 2>&1', path, ...argv],
    [Symbol.dispose]: () => reader.close(),
  };
}

/** Starts a pod and waits until its pipe is full. */
async function startStalled(pod: Pod, host: Host): Promise<Program> {
  const program = await pod.start({ host, flags: { debug: true } });
  await sleep(500);
  return program;
}

/** Declares a test for each kind of pod that `run` supervises. */
function stalledScenario(name: string, app: string, test: (pod: Pod, host: Host) => Promise<void>) {
  const compose = async (stage: Stage, prepare: () => Promise<Pod>) => {
    using host = await stalledHost(stage.dir);
    await using pod = await prepare();
    await test(pod, host);
  };
  scenario(name, { flavor: "isolated" }, (stage) => compose(stage, () => stage.script(app)));
  scenario(
    `${name}, of two apps`,
    (stage) => compose(stage, () => stage.scripts({ one: app, two: app })),
  );
}

stalledScenario("stop ends a pod whose reader has stalled", FLOOD, async (pod, host) => {
  const program = await startStalled(pod, host);
  assertQuiet(await pod.stop());
  await eventually("the end of run", () => program.ended);
  assertEquals(await pod.isRunning(), false);
});

stalledScenario("stop --force ends a pod whose reader has stalled", STUBBORN, async (pod, host) => {
  const program = await startStalled(pod, host);
  assertQuiet(await pod.stop());
  await sleep(200);
  assertEquals(program.ended, false);
  assertQuiet(await pod.stop({ force: true }));
  await eventually("the end of run", () => program.ended);
  assertEquals(await pod.isRunning(), false);
});

for (const force of [false, true]) {
  stalledScenario(
    `stop${force ? " --force" : ""} ends a run that only waits for its reader`,
    FLOOD,
    async (pod, host) => {
      const program = await startStalled(pod, host);
      const children = childrenOf(program.pid).map(({ pid }) => pid);
      // A process that prepared an app may have ended meanwhile.
      for (const pid of children) signalIfThere(pid, "SIGKILL");
      await eventually("the apps' end", () => !children.some(isAlive));
      await sleep(500);
      assertEquals(program.ended, false);
      assertQuiet(await pod.stop({ force }));
      await eventually("the end of run", () => program.ended);
    },
  );
}

for (const debug of [false, true]) {
  const what = debug ? "that says what it does" : "whose app cannot be started";
  scenario(
    `stop ends a run ${what} to a reader that has stalled`,
    { flavor: "isolated" },
    async (stage) => {
      using host = await stalledHost(stage.dir, true);
      await using pod = await stage.pod({ app: { exec: ["/missing"] } });
      const program = await pod.launch({ host, flags: { debug } });
      await sleep(1000);
      assertEquals(program.ended, false);
      assertQuiet(await pod.stop());
      await eventually("the end of run", () => program.ended);
      assertEquals(await pod.isRunning(), false);
    },
  );
}

/** A host on which the reader of what programs write goes after the first line. */
const HEAD: Host = {
  wrap: (argv) => ["sh", "-c", '("$@"; echo "status $?" >&2) | head -n 1', "sh", ...argv],
};

/** The status of a process that SIGPIPE has ended, as a shell tells it. */
const BROKEN_PIPE = "status 141\n";

scenario("an app ends when the reader of its own output has gone", async ({ script }) => {
  await using pod = await script("exec yes");
  const { stdout, stderr } = await pod.run({ host: HEAD });
  assertEquals([stdout, stderr], ["y\n", BROKEN_PIPE]);
});

scenario(
  "an interactive app ends when the reader of its output has gone",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("exec yes");
    const { stdout, stderr } = await pod.run({ host: HEAD, flags: { interactive: true } });
    assertEquals([stdout, stderr], ["y\n", BROKEN_PIPE]);
  },
);

scenario(
  "a command ends when the reader of its output has gone",
  { flavor: "either" },
  async ({ script }) => {
    await using pod = await script("echo up; exec sleep 100");
    await startUp(pod);
    const { stdout, stderr } = await pod.enter("app", ["/bin/yes"], { host: HEAD });
    assertEquals([stdout, stderr], ["y\n", BROKEN_PIPE]);
  },
);

const GOES_ON = "echo one; sleep .3; echo two; sleep .3; echo three";

scenario(
  "an app with a log goes on when the caller reads no more",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(GOES_ON);
    const { stdout, stderr } = await pod.run({ host: HEAD });
    assertEquals([stdout, stderr], ["one\n", "status 0\n"]);
    assertEquals(await Deno.readTextFile(`${pod.dir}/log/app.log`), "one\ntwo\nthree\n");
  },
);

scenario(
  "apps with logs go on when the caller reads no more",
  { flavor: "either" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: GOES_ON, two: GOES_ON });
    const { stderr } = await pod.run({ host: HEAD });
    assertEquals(stderr, "status 0\n");
    for (const app of ["one", "two"]) {
      const log = await Deno.readTextFile(`${pod.dir}/log/${app}.log`);
      assertEquals(log, "one\ntwo\nthree\n");
    }
  },
);
