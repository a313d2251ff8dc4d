/** Tests of commands inside a running app. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertRefused } from "./expect.ts";
import { SCRIPT, TERMINAL } from "./host.ts";
import { MAKE_JAIL, pivoted } from "./jail.ts";
import {
  EVERY_KERNEL,
  scenario,
  type ScenarioOptions,
  type SimplePod,
  type Stage,
} from "./scenario.ts";
import type { EnterOptions, Pod, Program } from "./stage0.ts";

/** Starts a pod and waits until its app runs. */
async function startPod({ script }: Stage, options: SimplePod = {}): Promise<[Pod, Program]> {
  const pod = await script("echo up; exec sleep 100", options);
  const program = await pod.start();
  await program.prints("up");
  return [pod, program];
}

/** Declares a test that enters a running pod. */
function entering(
  name: string,
  test: (pod: Pod, program: Program) => Promise<void>,
  options: SimplePod = {},
  setting: ScenarioOptions = {},
): void {
  scenario(name, setting, async (stage) => {
    const [pod, program] = await startPod(stage, options);
    await using _pod = pod;
    await test(pod, program);
  });
}

entering("enter passes output and exit code through", async (pod) => {
  const { code, stdout, stderr } = await pod.enter("app", [
    "/bin/sh",
    "-c",
    "echo o; echo e >&2; exit 9",
  ]);
  assertEquals({ code, stdout, stderr }, { code: 9, stdout: "o\n", stderr: "e\n" });
});

entering("enter passes input through", async (pod) => {
  assertPrints(await pod.enter("app", ["/bin/cat"], { stdin: "one\ntwo" }), "one\ntwo");
});

entering("a command that dies of a signal looks like that to rkt", async (pod) => {
  assertEquals((await pod.enter("app", ["/bin/sh", "-c", "kill -USR1 $$"])).signal, "SIGUSR1");
});

entering("a command starts in the app's root", async (pod) => {
  assertPrints(await pod.enter("app", ["/bin/pwd"]), "/\n");
}, { app: { workingDirectory: "/home/volo" } });

entering("a command sees the app's mounts", async (pod) => {
  await pod.enter("app", ["/bin/sh", "-c", "echo seen >/tmp/file"]);
  assertPrints(await pod.enter("app", ["/bin/cat", "/tmp/file"]), "seen\n");
});

function retaining(kind: "capabilities" | "seccomp", ...set: string[]) {
  return { name: `os/linux/${kind}-retain-set`, value: { set } };
}

scenario(
  "a command sees what is mounted where an app has pivoted to another root",
  { flavor: "either" },
  async ({ script }) => {
    const isolators = [
      retaining("capabilities", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT", "CAP_DAC_OVERRIDE"),
      retaining("seccomp", "@appc.io/all"),
    ];
    const command = pivoted('sh -c "echo up; exec /bin/busybox sleep 100"');
    await using pod = await script(`${MAKE_JAIL}; exec ${command}`, { app: { isolators } });
    const program = await pod.start();
    await program.prints("up");
    assertPrints(await pod.enter("app", ["/bin/busybox", "cat", "/name"]), "jail\n");
  },
);

const IDENTITY = ["/bin/sh", "-c", "id -u; id -g; id -G"];

entering("a command runs as the app's user", async (pod) => {
  assertPrints(await pod.enter("app", IDENTITY), "1000\n44\n44 29 4242\n");
}, { app: { user: "volo", group: "video", supplementaryGIDs: [29, 4242] } });

entering("a bare name is looked up in the app's PATH", async (pod) => {
  assertPrints(await pod.enter("app", ["echo", "found", ""]), "found \n");
}, { app: { environment: [{ name: "PATH", value: "/nowhere:/bin" }] } });

entering(
  "a command inherits no descriptor but 0 to 2",
  async (pod) => {
    const { stdout } = await pod.enter("app", ["/bin/ls", "/proc/self/fd"], { extraFds: [5, 7] });
    // 3 is the directory that ls itself reads.
    assertEquals(stdout.trim().split("\n").map(Number), [0, 1, 2, 3]);
  },
  {},
  { kernels: EVERY_KERNEL },
);

entering("a command ignores the signals that its caller ignores, and blocks none", async (pod) => {
  const command = ["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
  const result = await pod.enter("app", command, { ignoredSignals: ["HUP", "PIPE"] });
  assertPrints(result, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000001\n");
});

entering("a command has the caller's soft limit of open files", async (pod) => {
  const result = await pod.enter("app", ["/bin/sh", "-c", "ulimit -Sn"], { limits: ["-S -n 321"] });
  assertPrints(result, "321\n");
});

entering("a command may end after its app", async (pod, program) => {
  const command = ["/bin/sh", "-c", "echo in; sleep .3; echo still here"];
  const entered = pod.startEnter("app", command);
  await entered.prints("in");
  program.kill("SIGKILL");
  assertPrints(await entered.result, "in\nstill here\n");
});

entering("enter tells what it does with --debug", async (pod) => {
  const result = await pod.enter("app", ["/bin/true"], { flags: ["--debug"] });

  assertCode(result, 0);
  assert(result.stderr.includes("/bin/true"), result.stderr);
});

entering("enter and stop tell what they do where the environment asks for that", async (pod) => {
  const env = { STAGE1_VOLO_DEBUG: "true" };
  const command = ["/bin/sh", "-c", "echo ${STAGE1_VOLO_DEBUG:-none}"];
  const { stdout, stderr } = await pod.enter("app", command, { env });
  assertEquals(stdout, "none\n");
  assertMatch(stderr, /^enter: execute /m);
  assertMatch((await pod.stop({ env })).stderr, /^stop: signal 15 to /m);
});
const refused: [
  what: string,
  app: string,
  command: string[],
  options: EnterOptions,
  matter: RegExp,
][] = [
  ["an app that is not there", "other", ["/bin/true"], {}, /other/],
  ["a name that is a path", "../app", ["/bin/true"], {}, /\.\.\/app/],
  ["no command", "app", [], {}, /command/],
  ["a program that is not there", "app", ["/bin/missing"], {}, /\/bin\/missing/],
  ["a bare name that is nowhere", "app", ["missing"], {}, /missing/],
  ["a program that may not be executed", "app", ["/etc/passwd"], {}, /\/etc\/passwd/],
  ["a pid that is no number", "app", ["/bin/true"], { pid: "many" }, /pid/],
  ["a pid of zero", "app", ["/bin/true"], { pid: 0 }, /pid/],
  ["a negative pid", "app", ["/bin/true"], { pid: -1 }, /pid/],
  ["a pid that nobody has", "app", ["/bin/true"], { pid: 2 ** 22 }, /pid/],
  ["the pid of its own caller", "app", ["/bin/true"], { pid: Deno.pid }, /pid/],
  ["an unknown flag", "app", ["/bin/true"], { flags: ["--colour"] }, /colour/],
];

for (const [what, app, command, options, matter] of refused) {
  entering(`enter refuses ${what}`, async (pod) => {
    assertRefused(await pod.enter(app, command, options), "enter", matter);
  });
}

scenario("enter refuses a process of another pod", async (stage) => {
  const [one] = await startPod(stage);
  await using _one = one;
  const [other] = await startPod(stage);
  await using _other = other;
  const pid = other.readNumber("pid")!;
  assertRefused(await one.enter("app", ["/bin/true"], { pid }), "enter", /pid/);
});

entering("enter refuses when the app has ended", async (pod, program) => {
  program.kill("SIGKILL");
  await program.result;
  assertRefused(await pod.enter("app", ["/bin/true"]), "enter", /pid/);
});

scenario("enter refuses a pod that never ran", async ({ script }) => {
  await using pod = await script("true");
  assertRefused(await pod.enter("app", ["/bin/true"], { pid: 1 }), "enter", /./);
});

scenario(
  "a command has a terminal of its own, never the caller's",
  { needs: [SCRIPT] },
  async (stage) => {
    const [pod] = await startPod(stage);
    await using _pod = pod;
    const text = "test -t 0 && test -t 1 && test -t 2 && tty && read -r line && echo got $line";
    const options = { host: TERMINAL, keepsStdin: true };
    const program = pod.startEnter("app", ["/bin/sh", "-c", text], options);
    await program.prints("/dev/pts/");
    await program.write("typed\n");
    const { code, stdout } = await program.result;
    assertEquals(code, 0);
    assertMatch(stdout, /^\/dev\/pts\/[0-9]+\r\ntyped\r\ngot typed\r\n$/);
  },
);
