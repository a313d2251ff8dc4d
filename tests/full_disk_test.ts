/**
 * Tests of disks that are full, or that refuse writes: a pod that has begun goes on, says what it
 * could not write, and ends as its apps do.
 */

import { assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import { assertCode, assertQuiet, assertRefused } from "./expect.ts";
import { eventually, type Host, mountTmpfs, must, SimulatedHost, sleep } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { processOf, signalIfThere, startUp } from "./pod_processes.ts";
import { readProcesses } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import { SmallDisk } from "./small_disk.ts";
import type { App, Pod } from "./stage0.ts";

/** An app that runs until it is asked to end. */
const WAITS = "trap 'exit 0' TERM; echo up; while :; do sleep .02; done";

/** An app that ends when a signal tells it to, and says when it is asked to end. */
const ENDS =
  "trap 'exit 3' USR1; trap 'echo asked; exit 0' TERM; echo up; while :; do sleep .02; done";

/** The same without a word before: no file of its log is open, which keeps a disk writable. */
const QUIETLY = "trap 'exit 0' USR1; trap 'exit 0' TERM; while :; do sleep .02; done";

/** Reads the exit status of an app, as `rkt status` does. */
function status(pod: Pod, app: string): string | undefined {
  try {
    return Deno.readTextFileSync(`${pod.stage1Rootfs}/rkt/status/${app}`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Composes a pod whose apps have any fields. */
async function compose({ stage0, image }: Stage, apps: Record<string, Partial<App>>): Promise<Pod> {
  const file = await image({});
  const entries = Object.entries(apps).map(([name, app]) => ({ image: file, name, app }));
  return await stage0.prepare({ apps: entries });
}

const shell = (script: string) => ["/bin/sh", "-c", script];
const handler = (name: "pre-start" | "post-stop", script: string) => ({
  name,
  exec: shell(script),
});

scenario(
  "on a full disk, an app that ends has its status saved, and the others go on",
  { flavor: "either" },
  async ({ stage0, scripts }) => {
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await scripts({ one: ENDS.replace("exit 3", "exit 0"), two: WAITS });
    const program = await startUp(pod, 2);
    await disk.fill();
    Deno.kill(processOf(program, "one"), "SIGUSR1");
    await eventually("the status", () => status(pod, "one") !== undefined);
    await sleep(300);
    assertEquals([program.ended, status(pod, "one"), status(pod, "two")], [
      false,
      "0\n",
      undefined,
    ]);
    assertQuiet(await pod.stop());
    const result = await program.result;
    assertCode(result, 0);
    assertEquals([status(pod, "one"), status(pod, "two")], ["0\n", "0\n"]);
    assertEquals(result.stderr, "");
  },
);

scenario(
  "on a full disk, a pod ends with the status of the app that failed",
  { flavor: "either" },
  async ({ stage0, scripts }) => {
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await scripts({ one: ENDS, two: WAITS });
    const program = await startUp(pod, 2);
    await disk.fill();
    Deno.kill(processOf(program, "one"), "SIGUSR1");
    const result = await program.result;
    assertCode(result, 3);
    assertEquals([status(pod, "one"), status(pod, "two")], ["3\n", "0\n"]);
  },
);

scenario(
  "on a full disk, handlers run, and pods become ready",
  { flavor: "either" },
  async (stage) => {
    await using disk = await SmallDisk.mount(stage.stage0);
    const eventHandlers = [handler("pre-start", QUIETLY), handler("post-stop", "echo after")];
    await using pod = await compose(stage, { one: { exec: shell("echo own"), eventHandlers } });
    const program = await pod.start();
    await sleep(500);
    await disk.fill();
    Deno.kill(processOf(program, "one"), "SIGUSR1");
    const result = await program.result;
    assertCode(result, 0);
    assertEquals(result.stdout, "own\nafter\n");
    // In the host's namespaces, an app alone has no log.
    assertMatch(result.stderr, /^(run: one\.log has gaps: openat\("one\.log"\): ENOSPC.*\n)?$/);
    assertEquals(status(pod, "one"), "0\n");
    assertEquals(await Deno.readLink(`${pod.stage1Rootfs}/rkt/supervisor-status`), "ready");
    const { processes } = JSON.parse(await Deno.readTextFile(`${pod.dir}/processes`));
    assertEquals(processes.length, 1);
  },
);

scenario(
  "on a disk that refuses writes, a status that cannot be saved is one note",
  { flavor: "either" },
  async ({ stage0, scripts }) => {
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await scripts({ one: QUIETLY, two: QUIETLY });
    const program = await pod.start();
    await sleep(500);
    await disk.remount("ro");
    Deno.kill(processOf(program, "one"), "SIGUSR1");
    await eventually("the note", () => program.stderr.includes("\n"));
    await sleep(300);
    assertEquals(program.ended, false);
    assertMatch(
      program.stderr,
      /^run: stage1\/rootfs\/rkt\/status\/one: cannot be written: .*EROFS.*\n$/,
    );
    assertQuiet(await pod.stop());
    const result = await program.result;
    await disk.remount("rw");
    assertCode(result, 0);
    assertMatch(
      result.stderr,
      /\nrun: stage1\/rootfs\/rkt\/status\/two: cannot be written: [^\n]*\n$/,
    );
  },
);

scenario(
  "a pod that has no room on the disk says which file, before any app starts",
  { flavor: "either" },
  async ({ stage0, scripts }) => {
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await scripts({ one: WAITS, two: WAITS });
    await disk.fill();
    assertRefused(await pod.run(), "run", /^run: runtime-config: cannot be written: .*ENOSPC/);
    await disk.empty();
    assertEquals(await pod.isRunning(), false);
  },
);

/** More blocks than a pod of two apps needs. */
const ENOUGH = 40;

scenario(
  "however little room a disk has, an error names the file that has none",
  { flavor: "either", patience: 60_000 },
  async ({ stage0, scripts }) => {
    await using disk = await SmallDisk.mount(stage0);
    const said = new Set<string>();
    for (let blocks = 0; blocks < ENOUGH; blocks++) {
      await using pod = await scripts({ one: "true", two: "true" });
      await disk.fillBut(blocks);
      const result = await pod.run();
      await disk.empty();
      if (result.code === 0) break;
      assertRefused(
        result,
        "run",
        /^run: (?:[\w=]+: )?[\w/-]+: cannot be written: .*ENOSPC, [^:]*$/,
      );
      said.add(result.stderr);
    }
    assertEquals(said.size > 5 && said.size < ENOUGH, true, [...said].join(""));
  },
);

scenario(
  "the only app of a pod in the host's namespaces is not started without room on the disk",
  async ({ stage0, script }) => {
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await script("echo up");
    await disk.fill();
    const result = await pod.run();
    await disk.empty();
    assertRefused(result, "run", /^run: runtime-config: cannot be written: .*ENOSPC/);
    assertEquals(result.stdout, "");
  },
);

/** An app that executes a command when a signal tells it to. */
function saying(command: string): string {
  return `trap '${command}' USR1; echo up; while :; do sleep .02; done`;
}

scenario(
  "on a full disk, output goes on to the caller, and the log says where it has a gap",
  { flavor: "isolated" },
  async ({ stage0, script }) => {
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await script(
      `line() { printf '%8191s\\n' '' | tr ' ' x; }; ${saying("line")}`,
    );
    const program = await startUp(pod);
    await disk.fill();
    Deno.kill(processOf(program), "SIGUSR1");
    await eventually("the caller's output", () => program.stdout.length === 3 + 8192);
    await disk.empty();
    Deno.kill(processOf(program), "SIGUSR1");
    await eventually("more output", () => program.stdout.length === 3 + 2 * 8192);
    assertQuiet(await pod.stop());
    const { stderr } = await program.result;
    assertMatch(stderr, /^run: app\.log has gaps: write\(\): ENOSPC.*\n$/);
    const log = await Deno.readTextFile(`${pod.dir}/log/app.log`);
    const [, before, missing, after] = log.match(
      /^up\n(x*)\n\[stage1-volo: (\d+) bytes are missing here: ENOSPC, no space left on device\]\n(x+\n)$/,
    ) ?? [];
    assertEquals(Number(missing) + before!.length, 8192);
    assertEquals(after!.length, 8192);
  },
);

/** Programs whose output goes to a file. */
function writingTo(file: string): Host {
  return { wrap: (argv) => ["/bin/sh", "-c", 'exec "$@" >"$0"', file, ...argv] };
}

scenario(
  "a pod whose output goes to a full disk goes on, and its log has all",
  { flavor: "either" },
  async ({ dir, scripts }) => {
    await using _disk = await mountTmpfs(`${dir}/full`, undefined, "size=16k");
    const write = "for i in 1 2 3; do printf '%8191s\\n'; sleep .2; done";
    await using pod = await scripts({ one: write, two: "echo hello" });
    const result = await pod.run({ host: writingTo(`${dir}/full/out`) });
    assertCode(result, 0);
    assertEquals(result.stderr, "run: output has gaps: write(): ENOSPC, no space left on device\n");
    assertEquals((await Deno.stat(`${pod.dir}/log/one.log`)).size, 3 * 8192);
    assertEquals(await Deno.readTextFile(`${pod.dir}/log/two.log`), "hello\n");
  },
);

scenario(
  "a caller's file that has room again gets the output that comes then",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using _disk = await mountTmpfs(`${dir}/full`, undefined, "size=16k");
    await must(["dd", "if=/dev/zero", `of=${dir}/full/fill`, "bs=4096", "count=4"]);
    await using pod = await script(saying("echo again"));
    const program = await pod.start({ host: writingTo(`${dir}/full/out`) });
    await eventually("the note", () => program.stderr.includes("output has gaps"));
    await Deno.remove(`${dir}/full/fill`);
    Deno.kill(processOf(program), "SIGUSR1");
    await eventually(
      "more output",
      () => Deno.readTextFileSync(`${dir}/full/out`).endsWith("again\n"),
    );
    assertQuiet(await pod.stop());
    await program.result;
  },
);

scenario(
  "an app goes on whose caller has limited the size of files",
  { flavor: "isolated" },
  async ({ dir, script }) => {
    await using pod = await script("head -c 90000 /dev/zero; sleep .3; echo done");
    // One block of the shell's has 512 bytes.
    const result = await pod.run({ host: writingTo(`${dir}/out`), limits: ["-f 64"] });
    assertCode(result, 0);
    assertMatch(result.stderr, /^run: (app\.log|output) has gaps: write\(\): EFBIG/);
  },
);

scenario(
  "notes that nobody can read keep no pod from starting or from being collected",
  { flavor: "either" },
  async ({ dir, stage0, image }) => {
    await using _disk = await mountTmpfs(`${dir}/full`, undefined, "size=16k");
    await must(["dd", "if=/dev/zero", `of=${dir}/full/fill`, "bs=4096", "count=4"]);
    // A setting without effect, which is told.
    const app = {
      exec: shell("echo hello"),
      isolators: [
        { name: "resource/network-bandwidth", value: { default: true, limit: "1G" } },
      ],
    };
    await using pod = await stage0.prepare({
      apps: [{ image: await image({}), name: "app", app }],
    });
    const toFull: Host = {
      wrap: (argv) => ["/bin/sh", "-c", 'exec "$@" 2>"$0"', `${dir}/full/err`, ...argv],
    };
    assertMatch((await pod.run()).stderr, /not enforced/);
    const result = await pod.run({ host: toFull });
    assertEquals([result.code, result.stdout], [0, "hello\n"]);
    assertCode(await pod.gc({ host: toFull }), 0);
  },
);

for (const state of ["full", "read-only"] as const) {
  scenario(
    `enter, stop and gc do their work on a ${state} disk`,
    { flavor: "either" },
    async ({ stage0, scripts }) => {
      await using disk = await SmallDisk.mount(stage0);
      await using pod = await scripts({ one: QUIETLY, two: QUIETLY });
      const program = await pod.start();
      await sleep(500);
      await (state === "full" ? disk.fill() : disk.remount("ro"));
      const entered = await pod.enter("one", ["/bin/echo", "hello"]);
      assertEquals([entered.code, entered.stdout, entered.stderr], [0, "hello\n", ""]);
      assertQuiet(await pod.stop());
      assertCode(await program.result, 0);
      if (state === "read-only") await disk.remount("rw");
      else await disk.empty();
    },
  );

  scenario(
    `gc removes what a killed run has left on a ${state} disk`,
    { flavor: "either" },
    async ({ stage0, scripts }) => {
      await using disk = await SmallDisk.mount(stage0);
      await using pod = await scripts({ one: "setsid sleep 4567 & wait", two: QUIETLY });
      const program = await pod.start();
      await sleep(500);
      program.kill("SIGKILL");
      await program.result;
      await pod.becomeGarbage();
      await (state === "full" ? disk.fill() : disk.remount("ro"));
      assertQuiet(await pod.gc());
      assertEquals(findPodCgroups([pod.uuid]), []);
      assertEquals(readProcesses().filter(({ argv }) => argv.includes("4567")), []);
      if (state === "read-only") await disk.remount("rw");
      else await disk.empty();
    },
  );
}

for (const force of [false, true]) {
  scenario(
    `a pod ${force ? "that is killed" : "that ends"} on a read-only disk leaves its networks`,
    { flavor: "isolated", needs: NETWORK_NEEDS },
    async ({ stage0, script }) => {
      await using disk = await SmallDisk.mount(stage0);
      await using pod = await script(QUIETLY);
      await using host = await SimulatedHost.open("shared", "own");
      const left = () => must(["sh", "-c", "ip -o link; ls /run/netns; iptables-save"], host);
      const program = await pod.start({ host, flags: { net: "default" } });
      await sleep(500);
      assertMatch(await left(), new RegExp(pod.uuid));
      await disk.remount("ro");
      if (force) program.kill("SIGKILL");
      else assertQuiet(await pod.stop({ host }));
      assertCode(await program.result, force ? 137 : 0);
      await disk.remount("rw");
      await pod.becomeGarbage();
      await disk.remount("ro");
      assertCode(await pod.gc({ host }), 0);
      assertNotMatch(await left(), new RegExp(`${pod.uuid}|veth`));
      await disk.remount("rw");
    },
  );
}

scenario(
  "stop --force ends a pod on a disk that refuses writes",
  { flavor: "either" },
  async ({ stage0, scripts }) => {
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await scripts({
      one: "trap '' TERM; while :; do sleep .02; done",
      two: QUIETLY,
    });
    const program = await pod.start();
    await sleep(500);
    await disk.remount("ro");
    assertQuiet(await pod.stop({ force: true }));
    assertCode(await program.result, 137);
    await disk.remount("rw");
  },
);

scenario(
  "when run has no descriptor left for a handler, it says so, and the pod ends in order",
  { flavor: "either" },
  async (stage) => {
    await using pod = await compose(stage, {
      one: {
        exec: shell(ENDS.replace("exit 3", "exit 0")),
        eventHandlers: [handler("post-stop", "echo after")],
      },
      two: { exec: shell("trap 'echo asked; exit 0' TERM; echo up; while :; do sleep .02; done") },
    });
    const program = await startUp(pod, 2);
    const open = [...Deno.readDirSync(`/proc/${program.pid}/fd`)].map(({ name }) => Number(name));
    const lowestFree = open.toSorted((a, b) => a - b).findIndex((number, i) => number !== i);
    await must(["prlimit", `--pid=${program.pid}`, `--nofile=${lowestFree}`]);
    signalIfThere(processOf(program, "one"), "SIGUSR1");
    const result = await program.result;
    assertCode(result, 254);
    assertMatch(result.stderr, /^run: app "one": .*EMFILE, too many open files\n$/);
    assertNotMatch(result.stderr, /Uncaught/);
    assertMatch(result.stdout, /two\[\d+\]: asked$/m);
  },
);
