/**
 * Tests of pods of several apps, with either image: apps start and end together, and their lines
 * and statuses are kept apart.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertPrints, assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually, must, SimulatedHost } from "./host.ts";
import { inJail, MAKE_JAIL } from "./jail.ts";
import { processOf, startUp } from "./pod_processes.ts";
import { childrenOf, isAlive, readProcess, readProcesses, readStatus } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { App, Pod } from "./stage0.ts";

const UP = "echo up; exec sleep 100";

/** Returns a script that ends when it gets SIGTERM, and prints that it does. */
function ending(name: string, status = 0): string {
  return `trap 'echo ${name} was asked; exit ${status}' TERM; echo up; while :; do sleep .02; done`;
}

/** Reads the exit statuses of apps, as `run` has recorded them. */
function statuses(pod: Pod, ...apps: string[]): Record<string, string> {
  const read = (app: string) =>
    Deno.readTextFileSync(`${pod.stage1Rootfs}/rkt/status/${app}`).trim();
  return Object.fromEntries(apps.map((app) => [app, read(app)]));
}

/** Splits output into lines, and strips each one's prefix but for the app's name. */
function linesOf(output: string): string[] {
  const lines = output.split("\n");
  assertEquals(lines.pop(), "");
  return lines.map((line) => {
    assertMatch(line, /^\[ *\d+\.\d{6}\] [a-z]+\[\d+\]: /);
    return line.replace(/^.*?\] ([a-z]+)\[\d+\]/, "$1");
  });
}

/** Composes a pod of several apps with any fields of `app`. */
async function compose({ stage0, image }: Stage, apps: Record<string, Partial<App>>): Promise<Pod> {
  const tree = await image({});
  return await stage0.prepare({
    apps: Object.entries(apps).map(([name, app]) => ({ image: tree, name, app })),
  });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

function shell(text: string): string[] {
  return ["/bin/sh", "-c", text];
}

scenario(
  "a pod ends with its last app, and each has its status",
  { flavor: "either" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: "exit 0", two: UP.replace("100", ".3"), three: "true" });
    const program = await pod.start();
    await program.prints("up");
    await eventually("the end of the first ones", () => {
      try {
        return Object.values(statuses(pod, "one", "three")).join() === "0,0";
      } catch {
        return false;
      }
    });
    assertEquals(program.ended, false);
    assertQuiet(await program.result);
    assertEquals(statuses(pod, "one", "two", "three"), { one: "0", two: "0", three: "0" });
    assertEquals(await pod.isRunning(), false);
  },
);

scenario(
  "an app that fails has the others end, and its status is the pod's",
  { flavor: "either" },
  async (stage) => {
    await using pod = await stage.scripts({
      polite: ending("polite"),
      failing: "sleep .2; exit 7",
      worse: ending("worse", 9),
    });
    const result = await pod.run();
    assertCode(result, 7);
    assertEquals(result.stderr, "");
    assertEquals(linesOf(result.stdout).filter((line) => line.endsWith("asked")).toSorted(), [
      "polite: polite was asked",
      "worse: worse was asked",
    ]);
    assertEquals(statuses(pod, "polite", "failing", "worse"), {
      polite: "0",
      failing: "7",
      worse: "9",
    });
  },
);

scenario("an app that is killed has the others end", { flavor: "either" }, async ({ scripts }) => {
  await using pod = await scripts({ one: UP, two: UP });
  const program = await startUp(pod, 2);
  const two = processOf(program, "two");
  Deno.kill(processOf(program, "one"), "SIGKILL");
  assertCode(await program.result, 137);
  assertEquals(isAlive(two), false);
  // An app that ends because `run` has asked it to has not failed.
  assertEquals(statuses(pod, "one", "two"), { one: "137", two: "0" });
});

scenario("lines say whose they are, and stay whole", { flavor: "either" }, async ({ scripts }) => {
  const write = (name: string) =>
    `for i in $(seq 40); do printf ${name}; printf ${name}; echo " $i"; echo error $i >&2; done`;
  await using pod = await scripts({ one: write("x"), two: `${write("y")}; printf 'no end'` });
  const { code, stdout, stderr } = await pod.run();
  assertEquals(code, 0);
  const numbers = Array.from({ length: 40 }, (_, i) => i + 1);
  const of = (app: string, output: string) =>
    linesOf(output).filter((line) => line.startsWith(`${app}: `));
  assertEquals(of("one", stdout), numbers.map((i) => `one: xx ${i}`));
  assertEquals(of("two", stdout), [...numbers.map((i) => `two: yy ${i}`), "two: no end"]);
  for (const app of ["one", "two"]) {
    assertEquals(of(app, stderr), numbers.map((i) => `${app}: error ${i}`));
  }
  const log = await Deno.readTextFile(`${pod.dir}/log/one.log`);
  assertEquals(log.split("\n").filter((line) => line.startsWith("xx")).length, 40);
});

scenario(
  "all that an app wrote is passed on, however it ends",
  { flavor: "either" },
  async ({ scripts }) => {
    const size = 200_000;
    const write = `head -c ${size} /dev/zero | tr '\\0' x; echo; exit 3`;
    await using pod = await scripts({ one: write, two: "exec sleep 100" });
    const { code, stdout } = await pod.run();
    assertEquals(code, 3);
    assertEquals(stdout.match(/x/g)?.length, size);
  },
);

scenario(
  "a line that is too long to be kept whole goes on behind a plus sign",
  { flavor: "either" },
  async ({ scripts }) => {
    const size = 120_000;
    const count = "for i in $(seq 40); do echo $i; sleep .01; done";
    const write = `head -c ${size} /dev/zero | tr '\\0' x; sleep .2; echo; echo next`;
    await using pod = await scripts({ one: write, two: count });
    const { code, stdout } = await pod.run();
    assertEquals(code, 0);
    const lines = stdout.trimEnd().split("\n");
    assertEquals(lines.filter((line) => !/^\[ *\d+\.\d{6}\] [a-z]+\[\d+\][:+] /.test(line)), []);
    const ofOne = lines.filter((line) => line.includes(" one["))
      .map((line) => line.replace(/^.*?\](?= o).*?\]/, ""));
    assertEquals(ofOne.map((line) => line.slice(0, 2)), [": ", "+ ", "+ ", ": "]);
    const joined = ofOne.map((line) => line.replace(/^\+ /, "").replace(/^: /, "\n")).join("");
    assertEquals(joined, `\n${"x".repeat(size)}\nnext`);
  },
);

scenario(
  "an app's annotations say where its streams lead",
  { flavor: "either" },
  async ({ scripts }) => {
    const write = "echo out; echo error >&2; readlink /proc/self/fd/0";
    await using pod = await scripts({ one: write, two: write });
    await editJson(`${pod.dir}/pod`, ({ apps }) => {
      apps[0].annotations = [{ name: "coreos.com/rkt/stage2/stdout", value: "null" }];
      apps[1].annotations = [{ name: "coreos.com/rkt/stage2/stderr", value: "null" }];
    });
    const { code, stdout, stderr } = await pod.run();
    assertEquals([code, linesOf(stdout), linesOf(stderr)], [
      0,
      ["two: out", "two: /dev/null"],
      ["one: error"],
    ]);
  },
);

scenario(
  "stop asks every app, and run ends as they do",
  { flavor: "either" },
  async ({ scripts }) => {
    await using pod = await scripts({ one: ending("one"), two: ending("two", 5) });
    const program = await startUp(pod, 2);
    assertQuiet(await pod.stop());
    const result = await program.result;
    assertCode(result, 5);
    const asked = linesOf(result.stdout).filter((line) => line.endsWith("asked"));
    assertEquals(asked.toSorted(), ["one: one was asked", "two: two was asked"]);
  },
);

scenario(
  "stop --force ends an app that does not want to",
  { flavor: "either" },
  async ({ scripts }) => {
    const stubborn = "trap '' TERM; echo up; while :; do sleep .02; done";
    await using pod = await scripts({ one: stubborn, two: UP });
    const program = await startUp(pod, 2);
    assertQuiet(await pod.stop({ force: true }));
    const { code } = await program.result;
    assert(code !== 0, "it ended by force");
    assertEquals(await pod.isRunning(), false);
  },
);

scenario(
  "each app can be entered, in its own root, as its own user",
  { flavor: "either" },
  async (stage) => {
    await using pod = await compose(stage, {
      one: { exec: shell(`echo 1 >/tmp/name; ${UP}`) },
      two: { exec: shell(`echo 2 >/tmp/name; ${UP}`), user: "volo", group: "volo" },
    });
    await startUp(pod, 2);
    const show = shell("cat /tmp/name; id -un; echo $AC_APP_NAME");
    assertPrints(await pod.enter("one", show), "1\nroot\none\n");
    assertPrints(await pod.enter("two", show), "2\nvolo\ntwo\n");
    assertRefused(await pod.enter("three", show), "enter", /three/);
  },
);

scenario(
  "an app that has called chroot can be entered",
  { flavor: "either" },
  async ({ scripts }) => {
    const text = `${MAKE_JAIL}; echo up; exec ${inJail("sleep 100")}`;
    await using pod = await scripts({ one: text, two: UP });
    const program = await startUp(pod, 2);
    const one = processOf(program, "one");
    await eventually("its program", () => readProcess(one)?.argv[0] === "/bin/busybox");
    assertPrints(
      await pod.enter("one", shell("pwd; ls -d /jail/name; echo $AC_APP_NAME")),
      "/\n/jail/name\none\n",
    );
  },
);

scenario("where there are no cgroups, a pod's end reaches who has called chroot", async (stage) => {
  const seconds = 1000 + Math.floor(Math.random() * 1e6);
  const sleep = `sleep ${seconds}`;
  const text = `${MAKE_JAIL}; ${inJail(sleep)} >/dev/null 2>&1 & echo up; sleep .5`;
  await using pod = await stage.scripts({ one: text, two: "echo up; sleep .5" });
  await using host = await SimulatedHost.open();
  await must(["umount", "--lazy", "/sys/fs/cgroup"], host);
  const program = await startUp(pod, 2, { host });
  const jailed = () =>
    readProcesses().filter(({ argv }) => argv.join(" ") === `/bin/busybox ${sleep}`);
  await eventually("its program", () => jailed().length === 1);
  try {
    assertQuiet(await program.result);
    await eventually("its end", () => jailed().length === 0);
  } finally {
    for (const { pid } of jailed()) Deno.kill(pid, "SIGKILL");
  }
});

scenario("each app has its own privileges", { flavor: "either" }, async (stage) => {
  const retain = (...set: string[]) => ({
    isolators: [{ name: "os/linux/capabilities-retain-set", value: { set } }],
  });
  await using pod = await compose(stage, {
    one: { exec: shell(UP), ...retain("CAP_CHOWN") },
    two: { exec: shell(UP), ...retain("CAP_KILL"), supplementaryGIDs: [4242] },
  });
  const program = await startUp(pod, 2);
  const show = (app: string) => {
    const { CapBnd, CapEff, Groups } = readStatus(processOf(program, app));
    return { CapBnd, CapEff, Groups };
  };
  const sets = (bits: string) => ({ CapBnd: bits, CapEff: bits });
  assertEquals(show("one"), { ...sets("0000000000000001"), Groups: "0" });
  assertEquals(show("two"), { ...sets("0000000000000020"), Groups: "0 4242" });
});

scenario(
  "handlers run around their own app, which others do not wait for",
  { flavor: "either" },
  async (stage) => {
    const handlers = (name: string) => [
      { name: "pre-start", exec: shell(`sleep .3; echo before ${name}`) },
      { name: "post-stop", exec: shell(`echo after ${name}`) },
    ];
    await using pod = await compose(stage, {
      one: { exec: shell("echo one runs"), eventHandlers: handlers("one") },
      two: { exec: shell("echo two runs") },
    });
    const result = await pod.run();
    assertQuiet(result);
    assertEquals(linesOf(result.stdout), [
      "two: two runs",
      "one: before one",
      "one: one runs",
      "one: after one",
    ]);
  },
);

/** Where rkt looks whether a pod is ready. */
function readiness(pod: Pod): string {
  return `${pod.stage1Rootfs}/rkt/supervisor-status`;
}

scenario(
  "a pod is ready when its last app has been started, and not before",
  { flavor: "either" },
  async (stage) => {
    const wait = "echo waiting; until test -e /go; do sleep .02; done";
    await using pod = await compose(stage, {
      one: { exec: shell(UP), eventHandlers: [{ name: "pre-start", exec: shell(wait) }] },
      two: { exec: shell(UP) },
    });
    const program = await startUp(pod, 1);
    await program.prints("waiting");
    assertEquals(await isThere(readiness(pod)), false);
    await Deno.writeTextFile(`${pod.appRootfs("one")}/go`, "");
    await eventually("readiness", () => isThere(readiness(pod)));
    assertEquals(await Deno.readLink(readiness(pod)), "ready");
    assertEquals(pod.readNumber("pid") !== undefined, true);
  },
);

scenario(
  "a pre-start handler that fails keeps its app from starting, and ends the pod",
  { flavor: "either" },
  async (stage) => {
    await using pod = await compose(stage, {
      one: {
        exec: shell("echo started"),
        eventHandlers: [{ name: "pre-start", exec: shell("exit 4") }],
      },
      two: { exec: shell("exec sleep 100") },
    });
    const { code, stdout, stderr } = await pod.run();
    assertEquals({ code, stdout, stderr }, {
      code: 4,
      stdout: "",
      stderr: "run: apps[0].app.eventHandlers[0]: ended with status 4\n",
    });
  },
);

scenario(
  "an app that cannot be started leaves none of the others",
  { flavor: "either" },
  async (stage) => {
    await using pod = await compose(stage, {
      one: { exec: shell("exec sleep 4321") },
      two: { exec: ["/missing"] },
    });
    assertRefused(
      await pod.run(),
      "run",
      /apps\[1\]\.app\.exec\[0\]: Error: Unable to open "\/missing": /,
    );
    assertEquals(await pod.isRunning(), false);
    assertEquals(pod.foreignMounts(), []);
  },
);

scenario(
  "an app may have many processes, and none is left as a zombie",
  { flavor: "either" },
  async (stage) => {
    const many = "for i in $(seq 200); do (sleep .1 &); done; echo up; exec sleep 100";
    await using pod = await stage.scripts({ one: many, two: UP });
    const program = await startUp(pod, 2);
    // In an isolated pod, pid 1 adopts orphans; in the host's namespaces, the host's init does.
    const parents = new Set([program.pid, pod.readNumber("pid")!, processOf(program, "one")]);
    const children = () => [...parents].flatMap(childrenOf).map(({ argv }) => argv.join(" "));
    const first = pod.readNumber("pid") === program.pid ? [] : [`init`];
    await eventually("the end of all", () => {
      const names = children().map((line) => line.replace(/^init .*/, "init"));
      return names.toSorted().join() === [...first, "sleep 100", "sleep 100"].join();
    });
  },
);

scenario("a pod ends with run, however that ends", { flavor: "either" }, async ({ scripts }) => {
  await using pod = await scripts({ one: UP, two: UP });
  const program = await startUp(pod, 2);
  const apps = ["one", "two"].map((name) => processOf(program, name));
  program.kill("SIGKILL");
  await program.result;
  await eventually("the end of both", () => !apps.some(isAlive));
  assertQuiet(await pod.gc());
});
