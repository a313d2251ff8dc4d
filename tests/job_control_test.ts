/**
 * Tests of job control: a shell with a terminal stops `run` and `enter`, has its terminal back, and
 * lets them go on.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { eventually, type Host, SCRIPT, shellWords, sleep, which, withTerminal } from "./host.ts";
import { childrenOf, isAlive, type Process, readProcesses } from "./procfs.ts";
import { scenario, type SimplePod } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

/** What the keys of a terminal send. */
const STOP = "\x1a";

const NEEDS = [SCRIPT, { what: "bash", met: which("bash") !== undefined }];

/**
 * A host whose programs are jobs of a shell with a terminal. When the job stops, the shell reads a
 * line from the terminal, and brings the job to the foreground again.
 *
 * @param before What stands before the job, such as a pipe.
 */
function shell(before = ""): Host {
  return withTerminal((program) => {
    const text = `set -m; stty=$(stty -g); ${before} ${program}; echo stopped; ` +
      'test "$stty" = "$(stty -g)" && echo sane; read -r line; echo line $line; ' +
      "fg %1 >/dev/null; echo ended $?";
    return `exec bash --norc -c ${shellWords(text)}`;
  });
}

/** An app that says when it goes on. */
const APP = "trap 'echo went on; exit 7' CONT; echo up; while :; do sleep .05; done";

/** Finds a program of the image below another process. */
function find(name: string, { pid }: { pid: number }): Process | undefined {
  for (const child of childrenOf(pid)) {
    const found = child.argv[0]?.endsWith(`/${name}`) ? child : find(name, child);
    if (found) return found;
  }
  return undefined;
}

/** The states of a process and of all below it, but for the pod's pid 1: proc_pid_stat(5). */
function statesFrom(pid: number): string[] {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  const state = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[0]!;
  const children = childrenOf(pid).filter(({ argv }) => argv[0] !== "init");
  return [state, ...children.flatMap((child) => statesFrom(child.pid))];
}

/** Has the shell show that it has the terminal, and bring the job back. */
async function goOn(program: Program): Promise<void> {
  await program.prints("stopped\r\n");
  await program.prints("sane");
  await program.write("typed\n");
}

/** Each shape of a pod, and how its run is called. */
const SHAPES: [
  what: string,
  flavor: "host" | "isolated",
  before: string,
  options: SimplePod,
  interactive: boolean,
][] = [
  ["that run becomes", "host", "", {}, false],
  [
    "with an event handler",
    "host",
    "",
    { app: { eventHandlers: [{ name: "post-stop", exec: ["/bin/sh", "-c", "exit 0"] }] } },
    false,
  ],
  [
    "with an event handler and a pipe",
    "host",
    ": |",
    { app: { eventHandlers: [{ name: "post-stop", exec: ["/bin/sh", "-c", "exit 0"] }] } },
    false,
  ],
  ["in namespaces of its own", "isolated", "", {}, false],
  ["in namespaces of its own, interactive, with a pipe", "isolated", ": |", {}, true],
];

for (const [what, flavor, before, options, interactive] of SHAPES) {
  scenario(`^Z stops a pod with an app ${what}`, { flavor, needs: NEEDS }, async ({ script }) => {
    await using pod = await script(APP, options);
    const program = await pod.launch({
      host: shell(before),
      keepsStdin: true,
      flags: interactive ? { interactive } : {},
    });
    await program.prints("up");
    await program.write(STOP);
    await goOn(program);
    const { stdout } = await program.result;
    assertMatch(stdout, /line typed[^]*went on[^]*ended 7/);
  });
}

scenario(
  "^Z stops all apps of a pod, with what they have started",
  { flavor: "either", needs: NEEDS },
  async (stage) => {
    const app = APP.replace("exit 7", "exit 0");
    await using pod = await stage.scripts({ one: app, two: app });
    const program = await pod.launch({ host: shell(), keepsStdin: true });
    await eventually("both apps", () => program.stdout.match(/: up/g)?.length === 2);
    const run = find("run", program)!;
    await program.write(STOP);
    await program.prints("stopped\r\n");
    await eventually("all to be stopped", () => isStopped(run, 2));
    await goOn(program);
    const { stdout } = await program.result;
    assertEquals(stdout.match(/: went on/g)?.length, 2);
    assertMatch(stdout, /line typed[^]*ended 0/);
  },
);

/**
 * Tells whether a process is stopped, and more processes below it than a number. What has been
 * signalled runs until the kernel comes to stop it.
 */
function isStopped({ pid }: Process, more: number): boolean {
  const states = statesFrom(pid).filter((state) => state !== "Z");
  return states.length > more && states.every((state) => state === "T");
}

/** Signals a process, as somebody at another terminal would. */
function stop(process: Process): void {
  Deno.kill(process.pid, "SIGTSTP");
}

scenario(
  "an interactive pod that is stopped gives the terminal back, and takes it again",
  { flavor: "isolated", needs: NEEDS },
  async ({ script }) => {
    await using pod = await script("echo up; read -r line; echo got $line; exit 7");
    const options = { host: shell(), keepsStdin: true, flags: { interactive: true } };
    const program = await pod.launch(options);
    await program.prints("up");
    stop(find("run", program)!);
    await goOn(program);
    await program.prints("line typed");
    await program.write("more\n");
    const { stdout } = await program.result;
    assertMatch(stdout, /got more[^]*ended 7/);
  },
);

scenario(
  "an interactive pod in the background waits for the terminal, and ends when it is asked to",
  { flavor: "isolated", needs: NEEDS },
  async ({ script }) => {
    await using pod = await script("echo up; read -r line; echo got $line");
    const options = { host: shell(), keepsStdin: true, flags: { interactive: true } };
    const program = await pod.launch(options);
    await program.prints("up");
    const run = find("run", program)!;
    stop(run);
    await program.prints("sane");
    // As the shell's `bg` does.
    Deno.kill(run.pid, "SIGCONT");
    await sleep(300);
    await eventually("it to be stopped again", () => isStopped(run, 0));
    await pod.stop();
    await eventually("the end of the pod", () => !isAlive(run.pid));
    await program.write("typed\n");
    assertMatch((await program.result).stdout, /line typed/);
  },
);

/** Starts a pod whose app waits. */
async function waiting(script: (text: string) => Promise<Pod>): Promise<[Pod, Program]> {
  const pod = await script("echo up; exec sleep 100");
  const program = await pod.start();
  await program.prints("up");
  return [pod, program];
}

scenario(
  "^Z stops a command that has a pipe",
  { flavor: "either", needs: NEEDS },
  async ({ script }) => {
    const [pod] = await waiting(script);
    await using _pod = pod;
    const options = { host: shell(": |"), keepsStdin: true };
    const entered = pod.startEnter("app", ["/bin/sh", "-c", APP], options);
    await entered.prints("up");
    await entered.write(STOP);
    await goOn(entered);
    const { stdout } = await entered.result;
    assertMatch(stdout, /line typed[^]*went on[^]*ended 7/);
  },
);

scenario(
  "a command with a terminal that is stopped gives the terminal back, and takes it again",
  { flavor: "either", needs: NEEDS },
  async ({ script }) => {
    const [pod] = await waiting(script);
    await using _pod = pod;
    const options = { host: shell(), keepsStdin: true };
    const text = "echo in; read -r line; echo got $line; exit 7";
    const entered = pod.startEnter("app", ["/bin/sh", "-c", text], options);
    await entered.prints("in");
    stop(find("enter", entered)!);
    await goOn(entered);
    await entered.prints("line typed");
    await entered.write("more\n");
    const { stdout } = await entered.result;
    assertMatch(stdout, /got more[^]*ended 7/);
  },
);

scenario(
  "a shell as the app has the foreground again",
  { needs: NEEDS },
  async ({ script }) => {
    // The app leads a group of its own, as a shell with job control does.
    const handler = { name: "post-stop", exec: ["/bin/sh", "-c", "exit 0"] };
    await using pod = await script("exec /bin/sh -i", { app: { eventHandlers: [handler] } });
    const program = await pod.launch({ host: shell(), keepsStdin: true });
    await program.write("echo u''p\n");
    await program.prints("up");
    await program.write("kill -STOP $$\n");
    await goOn(program);
    await program.prints("line typed");
    await program.write("echo m''ore; exit 7\n");
    const { stdout } = await program.result;
    assertMatch(stdout, /more[^]*ended 7/);
    assert(!stdout.includes("job control"), stdout);
  },
);

scenario(
  "a run that no shell could let go on does not stop",
  { flavor: "either" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: APP, two: APP });
    const program = await pod.launch({ detached: true });
    await eventually("both apps", () => program.stdout.match(/: up/g)?.length === 2);
    Deno.kill(program.pid, "SIGTSTP");
    assertEquals((await program.result).code, 7);
    assertEquals(readProcesses().some(({ pid }) => pid === program.pid), false);
  },
);
