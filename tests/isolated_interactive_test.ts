/**
 * Tests of interactive pods: the app has a terminal of its own, and the caller's terminal shows it.
 */

import { assert, assertEquals } from "@std/assert";
import { assertRefused } from "./expect.ts";
import { eventually, must, SCRIPT, withTerminal } from "./host.ts";
import { childrenOf, type Process } from "./procfs.ts";
import { scenario, type SimplePod, type Stage } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

/**
 * A host whose programs have a terminal of 33 rows and 77 columns. It prints `restored` if the
 * terminal's settings are the same afterwards.
 */
const TERMINAL = withTerminal((program) =>
  `stty rows 33 cols 77; before=$(stty -g); ${program}; status=$?; ` +
  `test "$before" = "$(stty -g)" && echo restored; exit $status`
);
const NEEDS = [SCRIPT];

/** Declares a test of an interactive pod whose app is a script. */
function onTerminal(
  name: string,
  text: string,
  test: (program: Program, pod: Pod, stage: Stage) => Promise<void>,
  app: SimplePod["app"] = {},
): void {
  scenario(name, { flavor: "isolated", needs: NEEDS }, async (stage) => {
    await using pod = await stage.script(text, { app });
    const env = { TERM: "volo-term" };
    const options = { host: TERMINAL, keepsStdin: true, env, flags: { interactive: true } };
    await test(await pod.launch(options), pod, stage);
  });
}

/** Returns what a terminal shows, with plain line ends. */
function shown({ stdout }: { stdout: string }): string {
  return stdout.replaceAll("\r\n", "\n");
}

onTerminal(
  "the app has a terminal of the pod's, as large as the caller's",
  "tty; stty size; test $TERM = volo-term && echo known; test -t 1 && test -t 2 && echo all; stat -c '%a %u %t:%T' $(tty) /dev/console; " +
    "ls -1 /dev/pts; read -r line; echo got $line; exit 6",
  async (program) => {
    await program.prints("ptmx");
    await program.write("typed\n");
    const result = await program.result;
    assertEquals([result.code, shown(result)], [
      6,
      "/dev/pts/0\n33 77\nknown\nall\n620 1000 88:0\n620 1000 88:0\n0\nptmx\ntyped\ngot typed\nrestored\n",
    ]);
  },
  { user: "volo", group: "volo" },
);

/** Finds `run` below the program that made the terminal. */
function findRun(pid: number): Process | undefined {
  const isRun = ({ argv }: Process) => argv[0]?.endsWith("/stage1/rootfs/run");
  const children = childrenOf(pid);
  return children.find(isRun) ?? children.map((child) => findRun(child.pid)).find(Boolean);
}

onTerminal(
  "a new size of the caller's terminal reaches the app",
  "trap 'stty size' WINCH; echo up; while sleep .02; do :; done",
  async (program) => {
    await program.prints("up");
    const terminal = Deno.readLinkSync(`/proc/${findRun(program.pid)!.pid}/fd/0`);
    await must(["stty", "--file", terminal, "rows", "50", "cols", "120"]);
    await program.prints("50 120");
    await program.write("\x03");
    await program.result;
  },
);

onTerminal(
  "an interrupt is the app's alone, and once",
  "trap 'echo interrupted' INT; echo up; read -r line; read -r line; echo over; exit 5",
  async (program) => {
    await program.prints("up");
    await program.write("\x03");
    await program.prints("interrupted");
    await program.write("\n\n");
    const result = await program.result;
    assertEquals(result.code, 5);
    assertEquals(result.stdout.match(/interrupted/g)?.length, 1);
    assert(shown(result).endsWith("over\nrestored\n"), result.stdout);
  },
);

onTerminal(
  "an interrupt ends an app that does nothing about it",
  "echo up; exec sleep 100",
  async (program) => {
    await program.prints("up");
    await program.write("\x03");
    const result = await program.result;
    assertEquals(result.code, 128 + 2);
    assert(shown(result).endsWith("restored\n"), result.stdout);
  },
);

onTerminal(
  "the end of what is typed is the end of the app's input",
  "echo up; cat; echo end",
  async (program) => {
    await program.prints("up");
    await program.write("line\n\x04");
    const result = await program.result;
    assertEquals([result.code, shown(result)], [0, "up\nline\nline\nend\nrestored\n"]);
  },
);

onTerminal("a shell has job control", "exec /bin/sh -i", async (program) => {
  await program.write("sleep 50\n");
  await eventually("the job", () => jobOf(program) !== undefined);
  await program.write("\x1a");
  await program.prints("Stopped");
  await program.write("kill %1; fg; exit 8\n");
  const { code, stdout } = await program.result;
  assertEquals(code, 8, stdout);
  assert(!stdout.includes("job control"), stdout);
});

/** Finds the sleeping child of the app's shell. */
function jobOf(program: Program): Process | undefined {
  const run = findRun(program.pid);
  const shells = run ? childrenOf(run.pid) : [];
  return shells.flatMap(({ pid }) => childrenOf(pid)).find(({ argv }) => argv[0] === "sleep");
}

onTerminal(
  "three times ^] ends a pod that listens to nothing else",
  "trap '' INT QUIT TERM TSTP; echo up; while :; do sleep .05; done",
  async (program) => {
    await program.prints("up");
    await program.write("\x03\x1c\x1d\x1d\x1d");
    const result = await program.result;
    assertEquals(result.code, 128 + 9);
    assert(shown(result).endsWith("restored\n"), result.stdout);
  },
);

onTerminal(
  "stop ends an interactive pod, and the terminal is as it was",
  "trap 'exit 3' TERM; echo up; while :; do sleep .02; done",
  async (program, pod) => {
    await program.prints("up");
    await pod.stop();
    const result = await program.result;
    assertEquals([result.code, shown(result)], [3, "up\nrestored\n"]);
  },
);

onTerminal(
  "an app that cannot be started leaves the terminal as it was",
  "true",
  async (program) => {
    const result = await program.result;
    assertEquals(result.code, 254);
    assert(
      /^run: apps\[0\]\.app\.workingDirectory[^\n]*\nrestored\n$/.test(shown(result)),
      result.stdout,
    );
  },
  { workingDirectory: "/missing" },
);

scenario(
  "a pod of several apps cannot be interactive",
  { flavor: "isolated" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: "true", two: "true" });
    const result = await pod.run({ flags: { interactive: true } });
    assertRefused(result, "run", /--interactive: the pod has several apps/);
  },
);
