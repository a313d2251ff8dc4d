/** Tests of the app as a process: what it prints, how it ends, and what it inherits. */

import { assert, assertEquals } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually } from "./host.ts";
import { isAlive, readProcess } from "./procfs.ts";
import { EVERY_KERNEL, scenario } from "./scenario.ts";
import { LOCK_FD } from "./stage0/pod.ts";

scenario("run passes the app's output and exit code through", async ({ script }) => {
  await using pod = await script("echo out; echo err >&2; exit 7");
  const { code, stdout, stderr } = await pod.run();
  assertEquals({ code, stdout, stderr }, { code: 7, stdout: "out\n", stderr: "err\n" });
});

scenario("run passes its input to the app", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["/bin/cat"] } });
  assertPrints(await pod.run({ stdin: "one\ntwo" }), "one\ntwo");
});

scenario("run works with copies instead of overlays", async ({ script }) => {
  await using pod = await script("echo copied", { overlay: false });
  assertPrints(await pod.run(), "copied\n");
});

scenario("an app that dies of a signal looks like that to rkt", async ({ script }) => {
  await using pod = await script("kill -TERM $$");
  assertEquals((await pod.run()).signal, "SIGTERM");
});

scenario("a signal to the process that rkt started reaches the app", async ({ script }) => {
  await using pod = await script(
    "trap 'echo caught; exit 3' USR1; echo up; while :; do sleep .01; done",
  );
  const program = await pod.start();
  await program.prints("up");
  program.kill("SIGUSR1");
  const result = await program.result;
  assertEquals(result.stdout, "up\ncaught\n");
  assertCode(result, 3);
});

scenario(
  "the image's app runs where the pod manifest has none",
  async ({ image, pod: prepare }) => {
    const app = { exec: ["/bin/echo", "from the image"] };
    await using pod = await prepare({ image: await image({ app }) });
    const manifest = JSON.parse(await Deno.readTextFile(`${pod.dir}/pod`));
    delete manifest.apps[0].app;
    await Deno.writeTextFile(`${pod.dir}/pod`, JSON.stringify(manifest));
    assertPrints(await pod.run(), "from the image\n");
  },
);

scenario(
  "nothing of the image's app counts where the pod manifest has one",
  async ({ image, pod: prepare }) => {
    const app = { exec: ["/bin/false"], environment: [{ name: "FROM", value: "the image" }] };
    await using pod = await prepare({ image: await image({ app }) });
    await editJson(`${pod.dir}/pod`, ({ apps }) => {
      apps[0].app = { exec: ["/bin/sh", "-c", "echo ${FROM-the pod}"], user: "0", group: "0" };
    });
    assertPrints(await pod.run(), "the pod\n");
  },
);

scenario(
  "the app inherits no descriptor but 0 to 2 and the lock",
  { kernels: EVERY_KERNEL },
  async ({ pod: prepare }) => {
    await using pod = await prepare({ app: { exec: ["/bin/ls", "/proc/self/fd"] } });
    const { stdout } = await pod.run({ extraFds: [5, 7] });
    // 3 is the directory that ls itself reads.
    assertEquals(stdout.trim().split("\n").map(Number), [0, 1, 2, 3, LOCK_FD]);
  },
);

scenario(
  "the app ignores the signals that its caller ignores, and blocks none",
  async ({ pod: prepare }) => {
    const exec = ["/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"];
    await using pod = await prepare({ app: { exec } });
    const result = await pod.run({ ignoredSignals: ["HUP", "PIPE", "USR2"] });
    assertPrints(result, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000801\n");
  },
);

scenario("the app has the caller's soft limit of open files", async ({ script }) => {
  await using pod = await script("ulimit -Sn");
  assertPrints(await pod.run({ limits: ["-S -n 321"] }), "321\n");
});

scenario("the app has the caller's umask", async ({ script }) => {
  await using pod = await script("umask");
  assertPrints(await pod.run(), `${Deno.umask().toString(8).padStart(4, "0")}\n`);
});

scenario("the app has no thread of the program that it was", async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["/bin/ls", "/proc/self/task"] } });
  const { stdout } = await pod.run();
  assertEquals(stdout.trim().split("\n").length, 1);
});

scenario("pid and pgid name the app's process and its group", async ({ script }) => {
  await using pod = await script("echo up; sleep 100");
  const program = await pod.start({ detached: true });
  await program.prints("up");
  assertEquals(pod.readNumber("pid"), program.pid);
  assertEquals(pod.readNumber("pgid"), readProcess(program.pid)?.group);
});

scenario("pid and pgid are decimal text that rkt can read", async ({ script }) => {
  await using pod = await script("true");
  assertCode(await pod.run(), 0);
  for (const file of ["pid", "pgid"]) {
    assert(/^\d+\n?$/.test(await Deno.readTextFile(`${pod.dir}/${file}`)), file);
  }
});

scenario("a pod of one app is ready when the app runs", { flavor: "either" }, async (stage) => {
  await using pod = await stage.script("echo up; sleep 100");
  const program = await pod.start();
  await program.prints("up");
  const link = `${pod.stage1Rootfs}/rkt/supervisor-status`;
  await eventually(
    "readiness",
    async () => (await Deno.readLink(link).catch(() => "")) === "ready",
  );
});

scenario("a pod that cannot start is not ready", { flavor: "either" }, async ({ pod: prepare }) => {
  await using pod = await prepare({ app: { exec: ["/missing"] } });
  assertRefused(await pod.run(), "run", /missing/);
  assertEquals(
    await Deno.readLink(`${pod.stage1Rootfs}/rkt/supervisor-status`).catch(() => ""),
    "",
  );
});

scenario("the pod is running while its app is, and not after", async ({ script }) => {
  await using pod = await script("echo up; sleep 100");
  const program = await pod.start();
  await program.prints("up");
  assertEquals(await pod.isRunning(), true);
  program.kill("SIGKILL");
  await program.result;
  assertEquals(await pod.isRunning(), false);
});

scenario("the pod is running until the last of its processes ends", async ({ script }) => {
  await using pod = await script("sleep 100 >/dev/null 2>&1 & echo $!");
  const child = Number((await pod.run()).stdout);
  assert(isAlive(child));
  assertEquals(await pod.isRunning(), true);
  Deno.kill(child, "SIGKILL");
  while (isAlive(child)) await new Promise((resolve) => setTimeout(resolve, 5));
  assertEquals(await pod.isRunning(), false);
});

scenario(
  "a pod that has run leaves no mounts beside stage0's",
  { kernels: EVERY_KERNEL },
  async ({ script }) => {
    await using pod = await script("true");
    assertQuiet(await pod.run());
    assertEquals(pod.foreignMounts(), []);
  },
);

const badLocks: [what: string, value: string | undefined][] = [
  ["is missing", undefined],
  ["is empty", ""],
  ["is no number", "nine"],
  ["is negative", "-9"],
  ["is not open", "77"],
  ["is no directory", "0"],
];

for (const [what, value] of badLocks) {
  scenario(`run refuses when the lock ${what}`, async ({ script }) => {
    await using pod = await script("echo started");
    const result = await pod.run({ env: { RKT_LOCK_FD: value } });
    assertRefused(result, "run", /RKT_LOCK_FD/);
    assertEquals(result.stdout, "");
  });
}
