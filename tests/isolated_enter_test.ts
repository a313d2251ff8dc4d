/** Tests of commands inside a running app of an isolated pod, as the kernel sees them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertPrints, assertRefused } from "./expect.ts";
import { eventually, type Host, SCRIPT, TERMINAL, which } from "./host.ts";
import { childrenOf, isAlive, readStatus } from "./procfs.ts";
import { scenario, type SimplePod, type Stage } from "./scenario.ts";
import type { EnterOptions, Pod, Program } from "./stage0.ts";

const UP = "echo up; exec sleep 100";

/** Starts a pod and waits until its app runs. */
async function startPod({ script }: Stage, options: SimplePod = {}): Promise<[Pod, Program]> {
  const pod = await script(UP, options);
  const program = await pod.start();
  await program.prints("up");
  return [pod, program];
}

/** Declares a test that enters a running pod. */
function entering(
  name: string,
  test: (pod: Pod, program: Program, stage: Stage) => Promise<void>,
  options: SimplePod = {},
): void {
  scenario(name, { flavor: "isolated" }, async (stage) => {
    const [pod, program] = await startPod(stage, options);
    await using _pod = pod;
    await test(pod, program, stage);
  });
}

entering("a command has a number of the pod's, and no parent there", async (pod) => {
  const { stdout } = await pod.enter("app", [
    "/bin/sh",
    "-c",
    "echo $$ $PPID; exec ps -o pid,comm",
  ]);
  const [own, parent] = stdout.split("\n")[0]!.split(" ").map(Number);
  assert(own! > 1 && own! < 1000, stdout);
  assertEquals(parent, 0);
  assert(/^ *1 init$/m.test(stdout), stdout);
});

entering("streams, environment and exit status pass through", async (pod) => {
  const script = "cat; echo $AC_APP_NAME $TERM; pwd; echo e >&2; exit 9";
  const options: EnterOptions = { stdin: "one\n", env: { TERM: "vt52" } };
  const { code, stdout, stderr } = await pod.enter("app", ["/bin/sh", "-c", script], options);
  assertEquals({ code, stdout, stderr }, { code: 9, stdout: "one\napp vt52\n/\n", stderr: "e\n" });
});

entering("a command begins with a clean slate", async (pod) => {
  const script = "ls /proc/self/fd; grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -Sn";
  const result = await pod.enter("app", ["/bin/sh", "-c", script], {
    extraFds: [5, 7],
    ignoredSignals: ["HUP", "PIPE", "CHLD"],
    limits: ["-S -n 321"],
  });
  const signals = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\n";
  assertPrints(result, `0\n1\n2\n3\n${signals}321\n`);
});

entering("enter dies of the signal that its command dies of", async (pod) => {
  for (const signal of ["USR1", "SEGV", "KILL"]) {
    const command = ["/bin/sh", "-c", `kill -${signal} $$`];
    assertEquals((await pod.enter("app", command)).signal, `SIG${signal}`);
  }
});

entering("signals to enter reach its command", async (pod) => {
  const script = "trap 'echo usr' USR1; trap 'echo term; exit 4' TERM; echo ready; " +
    "while :; do sleep .05; done";
  const program = pod.startEnter("app", ["/bin/sh", "-c", script]);
  await program.prints("ready");
  program.kill("SIGUSR1");
  await program.prints("usr");
  program.kill("SIGTERM");
  const { code, stdout } = await program.result;
  assertEquals([code, stdout], [4, "ready\nusr\nterm\n"]);
});

/**
 * Waits for the command of an enter, and returns its PID. The last argument tells it from a process
 * that joined the pod for it and has not ended yet.
 */
async function commandOf(program: { pid: number }, last: string): Promise<number> {
  const find = () => childrenOf(program.pid).find(({ argv }) => argv.at(-1) === last)?.pid;
  await eventually("the command", () => find() !== undefined);
  return find()!;
}

entering("a command ends with an enter that is killed", async (pod) => {
  const program = pod.startEnter("app", ["/bin/sh", "-c", "echo up; exec sleep 77"]);
  await program.prints("up");
  const command = await commandOf(program, "77");
  program.kill("SIGKILL");
  await program.result;
  await eventually("the command's end", () => !isAlive(command));
}, { app: { user: "volo" } });

const isStopped = (pid: number) => readStatus(pid)["State"]!.startsWith("T");

/**
 * A host whose programs are jobs of a shell. A process group that no shell could let go on does not
 * stop by SIGTSTP, and whoever runs the tests may have started them in such a group.
 */
const JOBS: Host = {
  wrap: (argv) => ["bash", "--norc", "-c", 'set -m; "$0" "$@" & wait -f $!', ...argv],
};

scenario(
  "a command stops and goes on with enter",
  { flavor: "isolated", needs: [{ what: "bash", met: which("bash") !== undefined }] },
  async (stage) => {
    const [pod] = await startPod(stage);
    await using _pod = pod;
    const script = "echo up; read -r line; echo $line";
    const options = { host: JOBS, keepsStdin: true };
    const program = pod.startEnter("app", ["/bin/sh", "-c", script], options);
    await program.prints("up");
    const enter = childrenOf(program.pid).find(({ argv }) => argv[0]?.endsWith("/enter"))!;
    const command = await commandOf(enter, script);
    Deno.kill(enter.pid, "SIGTSTP");
    await eventually(
      "the stop of both",
      () => [enter.pid, command].every(isStopped),
    );
    Deno.kill(enter.pid, "SIGCONT");
    await program.write("on\n");
    assertEquals((await program.result).stdout, "up\non\n");
  },
);

entering("enter minds its signals while its command is stopped", async (pod) => {
  const script = "echo up; kill -STOP $$; echo on";
  const program = pod.startEnter("app", ["/bin/sh", "-c", script]);
  await program.prints("up");
  const command = await commandOf(program, script);
  await eventually("the command's stop", () => isStopped(command));
  program.kill("SIGTERM");
  assertEquals((await program.result).signal, "SIGTERM");
});

entering("enter gives up all but the right to signal", async (pod) => {
  const program = pod.startEnter("app", ["/bin/sh", "-c", "echo up; exec sleep 77"]);
  await program.prints("up");
  // The command may say so before enter has given up what it no longer needs.
  await eventually("the confinement", () => readStatus(program.pid).Seccomp === "2");
  const { CapPrm, CapEff, NoNewPrivs, Seccomp } = readStatus(program.pid);
  const onlyKill = "0000000000000020";
  assertEquals({ CapPrm, CapEff, NoNewPrivs, Seccomp }, {
    CapPrm: onlyKill,
    CapEff: onlyKill,
    NoNewPrivs: "1",
    Seccomp: "2",
  });
  program.kill("SIGTERM");
  assertEquals((await program.result).signal, "SIGTERM");
});

entering("a command ends with its pod", async (pod, program) => {
  const entered = pod.startEnter("app", ["/bin/sh", "-c", "echo up; exec sleep 77"]);
  await entered.prints("up");
  program.kill("SIGKILL");
  assertEquals((await entered.result).signal, "SIGKILL");
});

/** Declares a test that enters a pod from a terminal. */
function onTerminal(
  name: string,
  command: string,
  test: (program: Program) => Promise<void>,
): void {
  scenario(name, { flavor: "isolated", needs: [SCRIPT] }, async (stage) => {
    const [pod] = await startPod(stage);
    await using _pod = pod;
    const options = { host: TERMINAL, keepsStdin: true };
    await test(pod.startEnter("app", ["/bin/sh", "-c", command], options));
  });
}

onTerminal(
  "a command has a terminal of the pod's, which leads to the caller's",
  "test -t 0 && test -t 1 && test -t 2 && tty && read -r line && echo got $line; exit 6",
  async (program) => {
    await program.prints("/dev/pts/");
    await program.write("typed\n");
    const { code, stdout } = await program.result;
    assertEquals(code, 6);
    assertMatch(stdout, /^\/dev\/pts\/[0-9]+\r\ntyped\r\ngot typed\r\n$/);
  },
);

onTerminal(
  "an interrupt from the terminal is the command's, once",
  "trap 'echo interrupted' INT; echo ready; read -r x; read -r x; echo over; exit 5",
  async (program) => {
    await program.prints("ready");
    await program.write("\x03");
    await program.prints("interrupted");
    await program.write("\n\n");
    const { code, stdout } = await program.result;
    assertEquals(code, 5);
    assertEquals(stdout.match(/interrupted/g)?.length, 1);
  },
);

onTerminal("a shell has job control", "exec /bin/sh -i", async (program) => {
  await program.write("sleep 50\n");
  await eventually("the job", () => program.stdout.includes("sleep 50"));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await program.write("\x1a");
  await program.prints("Stopped");
  await program.write("kill %1; fg; exit 8\n");
  const { code, stdout } = await program.result;
  assertEquals(code, 8, stdout);
  assert(!stdout.includes("job control"), stdout);
});

const refused: [
  what: string,
  app: string,
  command: string[],
  options: EnterOptions,
  why: RegExp,
][] = [
  ["an app that is not there", "other", ["/bin/true"], {}, /other/],
  ["a program that is not there", "app", ["/bin/missing"], {}, /\/bin\/missing/],
  [
    "a program of no format",
    "app",
    ["/bin/odd"],
    {},
    /"\/bin\/odd" is neither an ELF program nor a script/,
  ],
  ["the machine's first process", "app", ["/bin/true"], { pid: 1 }, /pid/],
  ["the pid of its own caller", "app", ["/bin/true"], { pid: Deno.pid }, /pid/],
  ["a pid that nobody has", "app", ["/bin/true"], { pid: 2 ** 22 }, /pid/],
];

scenario(
  "enter refuses what is not there or not the pod's",
  { flavor: "isolated" },
  async (stage) => {
    const image = await stage.image({ files: { "/bin/odd": { text: "\x01\x02", mode: 0o755 } } });
    const [pod] = await startPod(stage, { image });
    await using _pod = pod;
    for (const [, app, command, options, matter] of refused) {
      assertRefused(await pod.enter(app, command, options), "enter", matter);
    }
    const [other] = await startPod(stage);
    await using _other = other;
    const pid = other.readNumber("pid")!;
    assertRefused(await pod.enter("app", ["/bin/true"], { pid }), "enter", /--pid/);
  },
);

entering("enter refuses a pod that has ended", async (pod, program) => {
  program.kill("SIGKILL");
  await program.result;
  assertRefused(await pod.enter("app", ["/bin/true"]), "enter", /--pid/);
});

scenario("each app of a pod can be entered", { flavor: "isolated" }, async ({ scripts }) => {
  await using pod = await scripts({ one: `echo 1 >/name; ${UP}`, two: `echo 2 >/name; ${UP}` });
  const program = await pod.start();
  await eventually("both apps", () => program.stdout.match(/up/g)?.length === 2);
  assertPrints(await pod.enter("one", ["/bin/cat", "/name"]), "1\n");
  assertPrints(await pod.enter("two", ["/bin/cat", "/name"]), "2\n");
});

scenario(
  "an app whose program has ended cannot be entered",
  { flavor: "isolated" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: "true", two: UP });
    const program = await pod.start();
    await program.prints("up");
    await eventually("the end of one", async () => {
      const { stderr } = await pod.enter("one", ["/bin/true"]);
      return stderr === 'enter: app "one" does not run\n';
    });
  },
);
