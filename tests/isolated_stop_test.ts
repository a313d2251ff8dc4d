/** Tests that `stop` ends an isolated pod, and nothing else. */

import { assert, assertEquals } from "@std/assert";
import { assertCode, assertQuiet } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { signalIfThere } from "./pod_processes.ts";
import { childrenOf, isAlive, readProcess } from "./procfs.ts";
import { REGROWING } from "./regrowing.ts";
import { scenario } from "./scenario.ts";
import type { Program } from "./stage0.ts";

/** An app that prints which signal it got. */
const TRAP = "trap 'echo terminated; exit 0' TERM; echo up; while :; do sleep .01; done";
const STUBBORN = "trap '' TERM; echo up; while :; do sleep .05; done";

/** Lists all processes that descend from a program, and the program itself. */
function family(program: Program): number[] {
  const withDescendants = (pid: number): number[] => [
    pid,
    ...childrenOf(pid).flatMap((child) => withDescendants(child.pid)),
  ];
  return withDescendants(program.pid);
}

scenario("stop has every app asked to terminate", { flavor: "isolated" }, async ({ scripts }) => {
  await using pod = await scripts({ one: TRAP, two: TRAP });
  const program = await pod.start();
  await eventually("both apps", () => program.stdout.match(/up/g)?.length === 2);
  assertQuiet(await pod.stop());
  const result = await program.result;
  assertEquals(result.stdout.match(/terminated/g)?.length, 2, result.stdout);
  assertCode(result, 0);
  assertEquals(await pod.isRunning(), false);
});

scenario(
  "stop --force kills all of the pod at once",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(`sleep 100 & ${STUBBORN}`);
    const program = await pod.start();
    await program.prints("up");
    const processes = family(program);
    assert(processes.length >= 4, `${processes}`);
    assertQuiet(await pod.stop());
    assertEquals(program.ended, false);
    assertQuiet(await pod.stop({ force: true }));
    await program.result;
    await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
    assertEquals(await pod.isRunning(), false);
  },
);

scenario(
  "a pod ends when run is killed, and counts as stopped",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(STUBBORN);
    const program = await pod.start();
    await program.prints("up");
    const processes = family(program);
    program.kill("SIGKILL");
    await program.result;
    await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
    for (const force of [false, true]) {
      assertQuiet(await pod.stop({ force }));
    }
  },
);

scenario(
  "stop --force kills a pod that has outlived run",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(`sleep 100 & ${STUBBORN}`);
    const program = await pod.start();
    await program.prints("up");
    const processes = family(program).filter((pid) => pid !== program.pid);
    // Pid 1 ends with `run`, unless it is stopped and so does not see the end of `run`.
    const first = pod.readNumber("pid")!;
    Deno.kill(first, "SIGSTOP");
    program.kill("SIGKILL");
    await program.result;
    assert(isAlive(first), "pid 1 does not know");
    assertQuiet(await pod.stop({ force: true }));
    await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
    assertQuiet(await pod.stop({ force: true }));
  },
);

scenario(
  "stop --force kills processes that start each other again",
  { flavor: "isolated" },
  async (stage) => {
    await using pod = await stage.script(REGROWING);
    const program = await pod.start();
    await program.prints("up");
    await sleep(200);
    const processes = family(program);
    assertQuiet(await pod.stop({ force: true }));
    await program.result;
    await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
  },
);

scenario(
  "stop --force ends a pod whose run has been stopped",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script(STUBBORN);
    const program = await pod.start();
    await program.prints("up");
    const processes = family(program);
    program.kill("SIGSTOP");
    assertQuiet(await pod.stop({ force: true }));
    await program.result;
    await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
    assertEquals(await Deno.readTextFile(`${pod.stage1Rootfs}/rkt/status/app`), "137\n");
  },
);

scenario(
  "stop --force kills processes that have been stopped",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("sleep 100 & echo up; exec sleep 100");
    const program = await pod.start();
    await program.prints("up");
    const processes = family(program).filter((pid) => pid !== program.pid);
    // Pid 1, the shell's program and its child stay; a process that was ending cannot be stopped.
    const stopped = processes.filter((pid) => signalIfThere(pid, "SIGSTOP"));
    assert(stopped.length >= 3, `only ${stopped.length} could be stopped`);
    assertQuiet(await pod.stop({ force: true }));
    await program.result;
    await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
  },
);

for (const force of [false, true]) {
  const name = `stop${force ? " --force" : ""}`;

  scenario(
    `${name} finds a pod that has no pid file`,
    { flavor: "isolated" },
    async ({ script }) => {
      await using pod = await script("echo up; exec sleep 100");
      const program = await pod.start();
      await program.prints("up");
      const processes = family(program);
      await Deno.remove(`${pod.dir}/pid`);
      assertQuiet(await pod.stop({ force }));
      await program.result;
      await eventually("the end of all", () => processes.every((pid) => !isAlive(pid)));
    },
  );

  scenario(
    `${name} ends a pod whose apps have yet to begin`,
    { flavor: "isolated" },
    async ({ script }) => {
      for (let delay = 20; delay <= 140; delay += 20) {
        await using pod = await script("sleep 100");
        const program = await pod.launch();
        await sleep(delay);
        await eventually("run", async () => (await pod.stop({ force })).code === 0);
        const { code } = await program.result;
        assert(code !== 0 || !force, `${code}`);
        assertEquals(await pod.isRunning(), false);
      }
    },
  );
}

for (const force of [false, true]) {
  const name = `stop${force ? " --force" : ""}`;

  scenario(`${name} spares what is not the pod's`, { flavor: "isolated" }, async ({ script }) => {
    await using one = await script("true");
    assertCode(await one.run(), 0);
    await using other = await script("echo up; exec sleep 100");
    const program = await other.start();
    await program.prints("up");
    const strangers = [1, Deno.pid, program.pid, other.readNumber("pid")!];
    for (const pid of strangers) {
      await Deno.writeTextFile(`${one.dir}/pid`, `${pid}\n`);
      assertQuiet(await one.stop({ force }));
      assert(isAlive(pid), `${pid}: ${readProcess(pid)?.argv}`);
    }
    assertEquals(program.ended, false);
  });

  scenario(
    `${name} spares who only works in the pod directory`,
    { flavor: "isolated" },
    async ({ script }) => {
      await using pod = await script("true");
      assertCode(await pod.run(), 0);
      const shell = new Deno.Command("sh", {
        args: ["-c", "sleep 100; true"],
        cwd: pod.dir,
        stdin: "null",
      }).spawn();
      try {
        await eventually("its child", () => childrenOf(shell.pid).length === 1);
        const [child] = childrenOf(shell.pid);
        for (const pid of [shell.pid, child!.pid]) {
          await Deno.writeTextFile(`${pod.dir}/pid`, `${pid}\n`);
          assertQuiet(await pod.stop({ force }));
          assert(isAlive(pid));
        }
      } finally {
        const child = childrenOf(shell.pid);
        for (const { pid } of [{ pid: shell.pid }, ...child]) Deno.kill(pid, "SIGKILL");
        await shell.status;
      }
    },
  );
}

scenario("stop says with --debug whom it signals", { flavor: "isolated" }, async ({ script }) => {
  await using pod = await script(TRAP);
  const program = await pod.start();
  await program.prints("up");
  const result = await pod.stop({ args: ["--debug", pod.uuid] });
  assertCode(result, 0);
  assert(result.stderr.includes(`stop: signal 15 to ${program.pid}\n`), result.stderr);
  await program.result;
});
