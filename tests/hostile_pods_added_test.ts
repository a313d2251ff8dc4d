/**
 * Tests of hostile pods: an app is added while another one, which runs already, changes what the
 * two have in common.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertCode, assertQuiet, assertRefused } from "./expect.ts";
import { eventually } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { withCapability, withPrivateUsers } from "./hostile_pods/stances.ts";
import { readMounts } from "./procfs.ts";
import { Sandbox } from "./sandboxes.ts";
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
const FINDS = "stat -c '%n: %F %t:%T %a' /dev/console /dev/log; logger -t mine -- to the log; " +
  "exec sleep 100";

/** What the attacker puts in the place of a device, which the next app is given. */
const PLANTS = [
  "rm -f /dev/null; ln -s /proc/sys/kernel/hostname /dev/null",
  "rm -f /dev/null; ln -s /syslog/attacker /dev/null",
];

for (const plant of PLANTS) {
  scenario(
    `an app has a console and a log of its own, whatever another put there before: ${plant}`,
    { flavor: "isolated" },
    async (stage) => {
      await withSandbox(stage, {}, async (pod) => {
        const exec = script(`${plant} && echo planted; exec sleep 100`);
        await launch(pod, {
          image: await stage.image({}),
          name: "attacker",
          app: { exec },
        });
        assertEquals(logOf(pod, "attacker"), "planted\n");
        await launch(pod, {
          image: await stage.image({}),
          name: "victim",
          app: { exec: script(FINDS) },
        });
        await eventually("its own log", () => logOf(pod, "victim").includes("to the log"));
        assertMatch(logOf(pod, "victim"), /^\/dev\/console: character special file 1:3 666$/m);
        assertMatch(logOf(pod, "victim"), /^\/dev\/log: socket 0:0 666$/m);
        assertEquals(logOf(pod, "attacker"), "planted\n");
      });
    },
  );
}

const MAY_TRACE = withCapability("CAP_SYS_PTRACE");
const MAY_TRACE_OWN = withPrivateUsers(MAY_TRACE);

/** What the attacker does in the pod's own root, to which pid 1 leads. */
const SPOILS = [
  "rmdir proc; mkdir -p proc/sys/kernel; echo spoilt >proc/sys/kernel/hostname",
  "mv proc kept; ln -s kept proc",
  "rmdir sys; ln -s / sys",
  "mv dev kept; mkdir dev; touch dev/console dev/log",
  "rm null-console; ln -s /dev/full null-console",
  "chmod 0 null-console",
  "ln -s attacker syslog/victim",
  "rm -r syslog; mkdir syslog",
  "chmod 777 hidden-file hidden-directory",
  "mkdir $(seq 2000)",
];

for (const { what, app, privateUsers } of [MAY_TRACE, MAY_TRACE_OWN]) {
  scenario(
    `an app gets what one before it got, whatever another did by way of pid 1, ${what}`,
    { flavor: "isolated" },
    async (stage) => {
      const options = privateUsers ? { privateUsers, overlay: false } : {};
      await using sandbox = await Sandbox.open(stage, options);
      await sandbox.launch("first", FINDS);
      await sandbox.prints("first", "to the log\n");
      const before = podRootOf(sandbox);
      const attack = ["cd /proc/1/root && echo there", ...SPOILS, "echo tried", "exec sleep 100"];
      await sandbox.launch("attacker", attack.join("; "), { app });
      await sandbox.prints("attacker", "tried\n");
      assertMatch(sandbox.log("attacker"), /^there\n/);
      await sandbox.launch("victim", FINDS);
      await sandbox.prints("victim", "to the log\n");
      assertEquals(givenTo(sandbox, "victim"), givenTo(sandbox, "first"));
      assertEquals(foundBy(sandbox, "victim"), foundBy(sandbox, "first"));
      for (const app of ["attacker", "victim"]) await sandbox.remove(app);
      assertEquals(podRootOf(sandbox), before);
      await sandbox.close();
    },
  );
}

/** Lists what the host finds in the pod's own root, with its modes. */
function podRootOf({ pod }: Sandbox): string[] {
  const root = `/proc/${pod.readNumber("pid")}/root`;
  return ["", "syslog/"].flatMap((directory) =>
    [...Deno.readDirSync(`${root}/${directory}`)].map(({ name }) => {
      const { mode } = Deno.lstatSync(`${root}/${directory}${name}`);
      return `${directory}${name} ${mode?.toString(8)}`;
    })
  ).toSorted();
}

/** Lists the mounts that an app has got, as the host sees them. */
function givenTo(sandbox: Sandbox, app: string): string[] {
  const pid = sandbox.processOf(app);
  return readMounts(pid).filter(({ path }) => path !== "/").map(({ path, root, type, options }) => {
    const { dev } = Deno.statSync(`/proc/${pid}/root${path}`);
    return `${path} ${root.replaceAll(app, "APP")} ${type} ${dev} ${options}`;
  });
}

/** Returns what an app has told of its console and its log. */
function foundBy(sandbox: Sandbox, app: string): string[] {
  return sandbox.log(app).split("\n").filter((line) => line.startsWith("/dev/"));
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

for (const [shared, own] of [["empty", "host"], ["host", "empty"]] as const) {
  scenario(
    `a link in a shared ${shared} volume has nothing made in an app's own ${own} volume`,
    { flavor: "either" },
    async (stage) => {
      const volume = (name: string, kind: "empty" | "host") =>
        kind === "empty" ? { name, kind } : { name, kind, source: `${stage.dir}/${name}` };
      for (const name of ["shared", "own", "inner"]) await Deno.mkdir(`${stage.dir}/${name}`);
      await using sandbox = await Sandbox.open(stage, {
        volumes: [volume("shared", shared), volume("own", own), volume("inner", "host")],
      });
      await sandbox.launch("attacker", "ln -s /own/new /shared/work && echo planted", {
        mounts: [{ volume: "shared", path: "/shared" }],
      });
      await sandbox.prints("attacker", "planted\n");
      const result = await sandbox.add("victim", "true", {
        mounts: [
          { volume: "shared", path: "/shared" },
          { volume: "own", path: "/own" },
          { volume: "inner", path: "/shared/work/deep" },
        ],
      });
      const matter = /mounts\[2\]: .* would be made where another volume's link leads/;
      assertRefused(result, "app-add", matter);
      const place = own === "host" ? stage.dir : `${sandbox.pod.dir}/sharedVolumes`;
      assertEquals([...Deno.readDirSync(`${place}/own`)], []);
      await sandbox.close();
    },
  );
}

/** The mounts of the host, by their places. */
function hostMounts(): string[] {
  return readMounts().map(({ path }) => path).toSorted();
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
