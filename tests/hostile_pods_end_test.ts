/**
 * Tests of hostile pods: how they end. A pod counts as running until its last process has ended,
 * and nothing of it outlives `stop` and `gc`.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { exists } from "../src/linux/stat.ts";
import { FLAVORS } from "../src/stage1/flavor.ts";
import { assertCode, assertQuiet, editJson } from "./expect.ts";
import { eventually, type Host, SimulatedHost, sleep, which } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { layBait, spoilsOf } from "./hostile_pods/bait.ts";
import {
  AS_USER,
  BY_DEFAULT,
  RESTRICTED,
  type Stance,
  WITH_PRIVATE_USERS,
  withCapability,
} from "./hostile_pods/stances.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { answers, describeNetwork, forwardPort, gone, keeperOf } from "./pod_networks.ts";
import { startUp } from "./pod_processes.ts";
import { isAlive } from "./procfs.ts";
import { scenario } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

/** Reads the PID that a script has printed after `child `. */
function childIn({ stdout }: Program): number {
  return Number(stdout.match(/^child (\d+)$/m)?.[1]);
}

// The lock.

/** How many milliseconds the lock may be held after the pod's last process has ended. */
const LETS_GO = 1_000;

async function assertLetsGo(pod: Pod): Promise<void> {
  const deadline = Date.now() + LETS_GO;
  while (await pod.isRunning()) {
    assert(Date.now() < deadline, "the pod counts as running, and has nothing that runs");
    await sleep(20);
  }
}

const LOCK_STANCES: Pick<Stance, "what" | "app">[] = [
  { what: "as root without isolators", app: {} },
  AS_USER,
  RESTRICTED,
];

for (const { what, app } of LOCK_STANCES) {
  scenario(`a pod runs for as long as its app does, ${what}`, async ({ script }) => {
    await using pod = await script("echo up; exec sleep 100", { app });
    const program = await startUp(pod);
    assertEquals(await pod.isRunning(), true);
    program.kill("SIGKILL");
    await program.result;
    await assertLetsGo(pod);
  });

  scenario(`a pod runs for as long as a child of its app does, ${what}`, async ({ script }) => {
    await using pod = await script("sleep 100 >/dev/null 2>&1 & echo child $!", { app });
    const program = await pod.start();
    await program.result;
    assertEquals(await pod.isRunning(), true);
    Deno.kill(childIn(program), "SIGKILL");
    await assertLetsGo(pod);
  });
}

// Processes that hide.

/** Returns the script of an app that has a child in another root directory, and stays or ends. */
function chrooted(stays: boolean): string {
  return "mkdir /jail; cp /bin/busybox /jail/busybox; " +
    "setsid chroot /jail /busybox sleep 100 >/dev/null 2>&1 & " +
    `echo child $!; sleep .3; echo up; ${stays ? "exec sleep 100" : "true"}`;
}

const ENDS: [what: string, end: (pod: Pod) => Promise<unknown>][] = [
  ["stop --force", (pod) => pod.stop({ force: true })],
  ["gc", (pod) => pod.gc()],
];

for (const flavor of FLAVORS) {
  for (const stays of [true, false]) {
    for (const [what, end] of ENDS) {
      // rkt collects only pods that do not run.
      if (what === "gc" && stays) continue;
      const whose = stays ? "an app" : "an app that has ended";
      scenario(
        `the child of ${whose}, in a root of its own, dies by ${what}`,
        { flavor },
        async (stage) => {
          await using pod = await stage.script(chrooted(stays));
          const program = await pod.start();
          await (stays ? program.prints("up") : program.result);
          const child = childIn(program);
          await end(pod);
          await program.result;
          if (flavor === "isolated") return assertEquals(await pod.isRunning(), false);
          try {
            await eventually("the child's end", () => !isAlive(child));
          } finally {
            if (isAlive(child)) Deno.kill(child, "SIGKILL");
          }
        },
      );
    }
  }
}

/** How many processes follow one another, and for how many seconds unless they are killed. */
const BREED = ["20", "14"];

for (const { what, flavor, app } of [RESTRICTED, BY_DEFAULT]) {
  const name = `a pod whose processes never stay ends by stop --force, ${what}`;
  scenario(name, { flavor, needs: COMPILER }, async (stage) => {
    const image = await hostileImage(stage);
    await using pod = await stage.pod({
      image,
      app: { ...app, exec: [HOSTILE, "breed", ...BREED] },
    });
    const program = await startUp(pod);
    const first = pod.readNumber("pid")!;
    assertCode(await pod.stop({ force: true }), 0);
    await program.result;
    // The processes are too short-lived to be looked for. Each of them holds the lock, or ends with
    // the pod's first process.
    await eventually("the end of all", async () => !isAlive(first) && !await pod.isRunning());
  });
}

// An end that is put off.

/** It heeds no signal that it can ignore, and a child of it stops it whenever it goes on. */
const RESISTING = "trap '' HUP INT QUIT TERM USR1 USR2; echo up; " +
  "(while :; do kill -STOP $$; sleep .01; done) & while :; do sleep .01; done";

for (const flavor of FLAVORS) {
  scenario(
    "an app that resists its end puts off that of the others by its own time alone",
    { flavor },
    async ({ scripts }) => {
      const victim = "trap 'echo was asked; exit 0' TERM; echo up; while :; do sleep .01; done";
      await using pod = await scripts({ victim, resisting: RESISTING });
      await editJson(`${pod.dir}/pod`, (manifest) => {
        manifest.apps[1].annotations = [{ name: "stage1-volo/stop-timeout", value: "1" }];
      });
      const program = await startUp(pod, 2);
      const before = Date.now();
      assertQuiet(await pod.stop());
      const { stdout } = await program.result;
      // Half of the time that it would have without the annotation.
      assert(Date.now() - before < 15_000, `${Date.now() - before} ms`);
      assertMatch(stdout, /victim.*: was asked\n/);
      const read = (app: string) => Deno.readTextFileSync(`${pod.stage1Rootfs}/rkt/status/${app}`);
      assertEquals([read("victim"), read("resisting")], ["0\n", "137\n"]);
      assertEquals(await pod.isRunning(), false);
    },
  );
}

// A root that nobody can look at.

scenario(
  "an app in a blind root ends by stop --force, as root without isolators",
  { needs: [...COMPILER, { what: "/dev/fuse", met: exists("/dev/fuse") }] },
  async (stage) => {
    const image = await hostileImage(stage, { files: { "/blind": { dir: true } } });
    const exec = ["/bin/sh", "-c", `${HOSTILE} blind /blind & echo child $!; wait`];
    await using pod = await stage.pod({ image, app: { exec } });
    const program = await startUp(pod);
    const child = childIn(program);
    assertQuiet(await pod.stop({ force: true }));
    await program.result;
    try {
      await eventually("the child's end", () => !isAlive(child));
    } finally {
      if (isAlive(child)) Deno.kill(child, "SIGKILL");
    }
  },
);

// Readers.

/** A caller that does not read what a program prints. */
const STALLED: Host = {
  wrap: (argv) => ["sh", "-c", '"$@" 2>&1 | exec sleep 100', "sh", ...argv],
};

scenario(
  "a reader that stalls does not keep stop from the pod",
  { flavor: "isolated" },
  async ({ script }) => {
    await using pod = await script("yes; true");
    const program = await pod.start({ host: STALLED });
    // By then, the app has written more than all pipes hold.
    await sleep(1_000);
    assertCode(await pod.stop(), 0);
    const deadline = Date.now() + 8_000;
    while (await pod.isRunning() && Date.now() < deadline) await sleep(20);
    const runs = await pod.isRunning();
    if (runs) await pod.stop({ force: true });
    program.kill("SIGKILL");
    assertEquals(runs, false, "stop has not reached the pod");
  },
);

// Plugins.

/** A network plugin that records which descriptors, limits and variables it has. */
const PLUGIN = [
  "#!/bin/sh",
  'ls -l /proc/self/fd >"${0%/*}/$CNI_COMMAND.fds"',
  'ulimit -Sn >"${0%/*}/$CNI_COMMAND.limit"',
  'env >"${0%/*}/$CNI_COMMAND.env"',
  "cat >/dev/null",
  `echo '{"cniVersion":"0.4.0","ips":[],"interfaces":[]}'`,
].join("\n");

scenario(
  "a network plugin has limits and variables of the caller's, and no descriptor",
  { flavor: "isolated", needs: [{ what: "ip", met: which("ip") !== undefined }] },
  async ({ dir, script }) => {
    const directory = `${dir}/local/net.d`;
    await Deno.mkdir(directory, { recursive: true });
    const configuration = { cniVersion: "0.4.0", name: "names", type: "names" };
    await Deno.writeTextFile(`${directory}/10-names.conf`, JSON.stringify(configuration));
    await Deno.writeTextFile(`${directory}/names`, PLUGIN, { mode: 0o755 });
    await using pod = await script("true");
    await using host = await SimulatedHost.open("shared", "own");
    const env = { TMPDIR: "/caller" };
    const options = { host, env, extraFds: [5, 7], limits: ["-S -n 321"] };
    const flags = { net: "names", localConfig: `${dir}/local` };
    assertCode(await pod.run({ ...options, flags }), 0);
    const args = [`--local-config=${dir}/local`, pod.uuid];
    assertCode(await pod.gc({ ...options, args }), 0);
    for (const command of ["ADD", "DEL"]) {
      const listed = await Deno.readTextFile(`${directory}/${command}.fds`);
      const links = listed.split("\n").map((line) => line.match(/ (\d+) -> (.*)$/)).filter((it) =>
        it !== null
      );
      assert(links.length > 3, listed);
      // The directory that the plugin lists, and the lock by which plugins of pods take turns.
      const others = links
        .filter(([, number, target]) =>
          Number(number) > 2 && !/\/fd$|\/networks\.lock$/.test(target!)
        )
        .map(([line]) => line);
      assertEquals(others, [], command);
      assertEquals(await Deno.readTextFile(`${directory}/${command}.limit`), "321\n");
      const variables = await Deno.readTextFile(`${directory}/${command}.env`);
      assertEquals(variables.match(/^(TMPDIR|STAGE1_VOLO\w*)=.*$/gm), ["TMPDIR=/caller"]);
    }
  },
);

// The networks.

/**
 * Signals every process that it sees, and every number that one of the host could have; the
 * attacker beside it looks into each process that appears.
 */
const SIGNAL_ALL = [
  "i=2; while test $i -le 70000; do test $i = $$ || kill -TERM $i; i=$((i+1)); done 2>/dev/null",
  "echo up; exec nc -ll -p 80 -e echo here",
].join("\n");

for (const stance of [BY_DEFAULT, WITH_PRIVATE_USERS, withCapability("CAP_SYS_PTRACE")]) {
  scenario(
    `what leaves a pod's networks is out of the pod's reach, ${stance.what}`,
    { flavor: "isolated", needs: [...COMPILER, ...NETWORK_NEEDS] },
    async (stage) => {
      const bait = await layBait(stage.dir);
      const image = await hostileImage(stage);
      const script = `${HOSTILE} hold ${bait.path} >/dev/null & ${SIGNAL_ALL}`;
      const app = { ...stance.app, exec: ["/bin/sh", "-c", script] };
      const { privateUsers } = stance;
      const apps = [{ image, name: "app", app }];
      await using pod = await stage.stage0.prepare({ apps, ...privateUsers && { privateUsers } });
      await forwardPort(pod);
      await using host = await SimulatedHost.open("shared", "own");
      const before = await describeNetwork(host);
      const program = await startUp(pod, 1, {
        host,
        flags: { net: "default" },
        env: { VOLO_SECRET: bait.secret },
      });
      const keeper = keeperOf(program);
      await answers(host, "here");
      assertEquals(isAlive(keeper), true);
      assertCode(await pod.stop({ host, force: true }), 0);
      await program.result;
      await gone(keeper);
      bait.assertUntouched(pod);
      assertEquals(spoilsOf(pod, "list"), undefined, "a list of calls can be changed");
      assertEquals(await describeNetwork(host), before);
      assertCode(await pod.gc({ host }), 0);
    },
  );
}

// Who traces a process that has ended: until the tracer ends, nobody else can wait for it.

const TRACING = {
  isolators: [{ name: "os/linux/seccomp-retain-set", value: { set: ["@appc.io/all"] } }],
};

scenario(
  "an app that a child of it traces ends, and the pod with it",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    const image = await hostileImage(stage);
    const exec = [HOSTILE, "trace"];
    await using pod = await stage.stage0.prepare({
      apps: ["one", "two"].map((name) => ({ image, name, app: { ...TRACING, exec } })),
    });
    const before = Date.now();
    const { code, stdout } = await pod.run();
    assertEquals([code, stdout.match(/traced/g)?.length], [0, 2]);
    assert(Date.now() - before < 15_000);
  },
);

scenario(
  "a command that a child of it traces ends, and enter with it",
  { flavor: "either", needs: COMPILER },
  async (stage) => {
    const image = await hostileImage(stage);
    const exec = ["/bin/sh", "-c", "echo up; exec sleep 100"];
    await using pod = await stage.stage0.prepare({
      apps: [{ image, name: "app", app: { ...TRACING, exec } }],
    });
    await startUp(pod);
    const { code, stdout } = await pod.enter("app", [HOSTILE, "trace"]);
    assertEquals({ code, stdout }, { code: 0, stdout: "traced\n" });
  },
);
