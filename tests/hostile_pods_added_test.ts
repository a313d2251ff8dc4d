/**
 * Tests of hostile pods: an app is added while another one, which runs already, changes what the
 * two have in common.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertQuiet } from "./expect.ts";
import { eventually } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { BY_DEFAULT, type Stance, withCapability } from "./hostile_pods/stances.ts";
import { readMounts } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import type { AppOptions, Pod, PodOptions } from "./stage0.ts";

/** How often an app is added while its target is exchanged. */
const TRIES = 8;

/** Runs a test on a pod without apps, and ends it. */
async function withSandbox(
  stage: Stage,
  options: Omit<PodOptions, "apps" | "mutable">,
  test: (pod: Pod) => Promise<void>,
): Promise<void> {
  await using pod = await stage.stage0.sandbox(options);
  const run = await pod.startSandbox({});
  await test(pod);
  assertQuiet(await pod.stop());
  assertCode(await run.result, 0);
}

/** Adds and starts an app, and waits for its first line. */
async function launch(pod: Pod, app: AppOptions & { name: string }): Promise<void> {
  assertQuiet(await pod.apps.add(app));
  assertQuiet(await pod.apps.start(app.name));
  await eventually(`a line of ${app.name}`, () => logOf(pod, app.name).includes("\n"));
}

function logOf(pod: Pod, app: string): string {
  try {
    return Deno.readTextFileSync(`${pod.dir}/log/${app}.log`);
  } catch {
    return "";
  }
}

const script = (text: string) => ["/bin/sh", "-c", text];

/** What an app finds that is added, and what it writes to its log by syslog(3). */
const FINDS = "stat -c '%n: %F %t:%T' /dev/console /dev/log; logger -t mine -- to the log; " +
  "echo done; exec sleep 100";

/**
 * What the attacker puts in the place of what the next app is given: the pod's devices, and with
 * CAP_SYS_PTRACE, which leads to the pod's own root, the sockets of logs as well.
 */
const PLANTS: [stance: Stance, plant: string][] = [
  [BY_DEFAULT, "rm -f /dev/null; ln -s /proc/sys/kernel/hostname /dev/null"],
  [BY_DEFAULT, "rm -f /dev/null; ln -s /syslog/attacker /dev/null"],
  [
    withCapability("CAP_SYS_PTRACE"),
    "cd /proc/1/root && ln -s attacker syslog/victim && rm -f dev/null && ln -s / dev/null",
  ],
];

for (const [{ app, what }, plant] of PLANTS) {
  scenario(
    `an app has a console and a log of its own, whatever another put there before, ${what}: ${plant}`,
    { flavor: "isolated" },
    async (stage) => {
      await withSandbox(stage, {}, async (pod) => {
        const exec = script(`${plant} && echo planted; exec sleep 100`);
        await launch(pod, {
          image: await stage.image({}),
          name: "attacker",
          app: { ...app, exec },
        });
        assertEquals(logOf(pod, "attacker"), "planted\n");
        await launch(pod, {
          image: await stage.image({}),
          name: "victim",
          app: { exec: script(FINDS) },
        });
        await eventually("its own log", () => logOf(pod, "victim").includes("to the log"));
        assertMatch(logOf(pod, "victim"), /^\/dev\/console: character special file 1:3$/m);
        assertMatch(logOf(pod, "victim"), /^\/dev\/log: socket 0:0$/m);
        assertEquals(logOf(pod, "attacker"), "planted\n");
      });
    },
  );
}

scenario(
  "a volume is in the app's own root or nowhere while another app exchanges its place",
  { flavor: "isolated", needs: COMPILER },
  async (stage) => {
    const [shared, own] = [`${stage.dir}/shared`, `${stage.dir}/own`];
    for (const directory of [shared, own, `${shared}/work`]) await Deno.mkdir(directory);
    await Deno.writeTextFile(`${own}/mark`, "of the volume");
    const volumes = [
      { name: "shared", kind: "host" as const, source: shared },
      { name: "own", kind: "host" as const, source: own },
    ];
    await withSandbox(stage, { volumes }, async (pod) => {
      await launch(pod, {
        image: await hostileImage(stage),
        name: "attacker",
        mounts: [{ volume: "shared", path: "/shared" }],
        app: { exec: [HOSTILE, "exchange", "/shared", "/etc"] },
      });
      const before = hostMounts();
      for (let i = 0; i < TRIES; i++) {
        const { code, stderr } = await pod.apps.add({
          image: await stage.image({}),
          name: "victim",
          mounts: [{ volume: "shared", path: "/shared" }, { volume: "own", path: "/shared/work" }],
          app: { exec: script(`echo up ${i}; exec sleep 100`) },
        });
        if (code === 0) {
          assertQuiet(await pod.apps.start("victim"));
          await eventually("the app", () => logOf(pod, "victim").endsWith(`up ${i}\n`));
        } else {
          assertMatch(stderr, /^app-add: apps\["[a-z-]+"\]\.mounts\[[01]\]: [^\n]*\n$/);
        }
        assertCode(await pod.apps.rm("victim"), 0);
        assertEquals(hostMounts(), before);
        assert(!await exists(`${shared}/mark`) && !await exists(`${shared}/work/mark`));
      }
    });
  },
);

/** The mounts of the host, by their places. */
function hostMounts(): string[] {
  return readMounts().map(({ path }) => path).toSorted();
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
