/**
 * Tests of the stand-in for stage0 where it changes a pod that runs: what it writes, mounts and
 * starts is what rkt would, to a stage1 that only tells what it found.
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { existsSync } from "node:fs";
import { assertQuiet } from "./expect.ts";
import { eventually } from "./host.ts";
import { mountsUnder } from "./procfs.ts";
import { scenario, type Stage } from "./scenario.ts";
import { type Pod, Stage0 } from "./stage0.ts";

/** The entrypoints that rkt knows by annotations of these names. */
const ENTRYPOINTS = ["run", "enter", "app/add", "app/start", "app/stop", "app/rm", "attach"];

const RUN = [
  "#!/bin/sh",
  'echo "$@" >arguments',
  "echo $$ >pid",
  "ln -s ready stage1/rootfs/rkt/supervisor-status",
  "exec sleep 1000",
];

/** Appends to `told` how it was called: arguments, variables, directory; and what apps see. */
const TELL = [
  "#!/bin/sh",
  'name=$(basename "$0")',
  '{ echo "$name $*"; env | grep -E "^(RKT|HOME|LOCK)" | sort; pwd; } >>told',
  "ls stage1/rootfs/opt/stage2/*/rootfs >>told",
  'test "$name" != app_stop || exit $(cat stop-status 2>/dev/null || echo 0)',
];

/** Makes a stage1 whose entrypoints are shell scripts of the host. */
async function tellingStage1({ dir }: Stage): Promise<string> {
  const stage1 = `${dir}/telling`;
  await Deno.mkdir(`${stage1}/rootfs/rkt/status`, { recursive: true });
  for (const name of ENTRYPOINTS) {
    const text = (name === "run" ? RUN : TELL).join("\n");
    await Deno.writeTextFile(`${stage1}/rootfs/${fileOf(name)}`, text, { mode: 0o755 });
  }
  const annotations = ENTRYPOINTS.map((name) => ({
    name: `coreos.com/rkt/stage1/${name}`,
    value: `/${fileOf(name)}`,
  }));
  const version = { name: "coreos.com/rkt/stage1/interface-version", value: "6" };
  const manifest = { name: "telling", annotations: [...annotations, version] };
  await Deno.writeTextFile(`${stage1}/manifest`, JSON.stringify(manifest));
  return stage1;
}

function fileOf(entrypoint: string): string {
  return entrypoint.replace("/", "_");
}

/** Runs a test with a pod without apps of such a stage1. */
async function withSandbox(
  stage: Stage,
  overlay: boolean,
  test: (pod: Pod, told: () => string[]) => Promise<void>,
): Promise<void> {
  await using stage0 = await Stage0.open({ stage1: await tellingStage1(stage) });
  await using pod = await stage0.sandbox({ overlay: overlay && stage0.overlay });
  await pod.startSandbox();
  const told = () => {
    const lines = Deno.readTextFileSync(`${pod.dir}/told`).trim().split("\n");
    Deno.removeSync(`${pod.dir}/told`);
    return lines;
  };
  await test(pod, told);
}

/** The variables of an entrypoint that crosses into a pod, and its directory. */
function surroundingsOf(pod: Pod): string[] {
  return [
    `RKT_STAGE1_ENTERCMD=${pod.stage1Rootfs}/enter`,
    `RKT_STAGE1_ENTERPID=${pod.readNumber("pid")}`,
    pod.dir,
  ];
}

for (const overlay of [true, false]) {
  const how = overlay ? "an overlay" : "a copy";

  scenario(`an app is added and removed as rkt does it, with ${how}`, async (stage) => {
    await withSandbox(stage, overlay, async (pod, told) => {
      const manifest = () => JSON.parse(Deno.readTextFileSync(`${pod.dir}/pod`));
      assertEquals(manifest().annotations, [{
        name: "coreos.com/rkt/stage1/mutable",
        value: "true",
      }]);
      const args = Deno.readTextFileSync(`${pod.dir}/arguments`).trim();
      assertEquals(args, `--net=default --local-config=/etc/rkt --mutable ${pod.uuid}`);

      const image = await stage.image({ app: { exec: ["/bin/true"] } });
      const app = { environment: [{ name: "A", value: "b c" }] };
      const streams = { stdin: "stream", stdout: "log" };
      assertQuiet(await pod.apps.add({ image, name: "mine", app, streams }));
      const [call, ...others] = told();
      assertEquals(call, `app_add --debug=false --uuid=${pod.uuid} --app=mine`);
      assertEquals(others.slice(0, 3), surroundingsOf(pod));
      assertEquals(others.includes("bin"), true, "the app's root is not there");
      assertEquals(manifest().apps.map((each: { name: string }) => each.name), ["mine"]);
      assertEquals(manifest().apps[0].annotations, [
        { name: "coreos.com/rkt/stage2/stdin", value: "stream" },
        { name: "coreos.com/rkt/stage2/stdout", value: "log" },
      ]);
      const environment = Deno.readTextFileSync(`${pod.stage1Rootfs}/rkt/env/mine`);
      assertEquals(environment.trim().split("\n").toSorted(), [
        "A=b c",
        "AC_APP_NAME=mine",
        "HOME=/root",
        "LOGNAME=root",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "SHELL=/bin/sh",
        "USER=root",
      ]);
      assertEquals(mountsUnder(pod.appRootfs("mine")).length, overlay ? 1 : 0);
      await assertRejects(() => pod.apps.add({ image, name: "mine" }), Error, "multiple apps");

      assertQuiet(await pod.apps.rm("mine"));
      assertEquals(told().filter((line) => line.startsWith("app_")), [
        "app_stop --debug=false --app=mine",
        "app_rm --debug=false --app=mine",
      ]);
      assertEquals(manifest().apps, []);
      assertEquals(mountsUnder(pod.appRootfs("mine")).length, 0);
      for (const path of [`${pod.dir}/appsinfo/mine`, pod.appRootfs("mine")]) {
        assertEquals(existsSync(path), false, path);
      }
    });
  });
}

scenario("an app's state is what its files say, as for rkt", async (stage) => {
  await withSandbox(stage, true, async (pod, told) => {
    await pod.apps.add({ image: await stage.image({}), name: "mine" });
    assertEquals(pod.apps.list(), { mine: "created" });
    await pod.apps.start("mine");
    assertEquals(told().includes("app_start --debug=false --app=mine"), true);
    assertEquals(pod.apps.status("mine"), { state: "running" });
    await Deno.writeTextFile(`${pod.stage1Rootfs}/rkt/status/mine`, "7\n");
    assertEquals(pod.apps.status("mine"), { state: "exited", exitCode: 7 });
    await pod.apps.start("mine");
    assertEquals(pod.apps.status("mine"), { state: "running" });
    assertThrows(() => pod.apps.status("other"), Error, 'nonexistent app "other"');
  });
});

scenario(
  "an app is removed that has been stopped, and not one that cannot be",
  async (stage) => {
    await withSandbox(stage, true, async (pod) => {
      await pod.apps.add({ image: await stage.image({}), name: "mine" });
      await Deno.writeTextFile(`${pod.dir}/stop-status`, "1");
      assertEquals((await pod.apps.rm("mine")).code, 1);
      assertEquals(pod.apps.list(), { mine: "created" });
      await Deno.writeTextFile(`${pod.dir}/stop-status`, "0");
      assertQuiet(await pod.apps.rm("mine"));
      assertEquals(pod.apps.list(), {});
    });
  },
);

scenario("an app whose root is still held is not removed", async (stage) => {
  await withSandbox(stage, true, async (pod) => {
    await pod.apps.add({ image: await stage.image({}), name: "mine" });
    {
      using _held = await Deno.open(`${pod.appRootfs("mine")}/etc/passwd`);
      await assertRejects(() => pod.apps.rm("mine"), Error, "busy");
    }
    assertQuiet(await pod.apps.rm("mine"));
  });
});

scenario("no two apps are added at the same time", async (stage) => {
  await withSandbox(stage, true, async (pod) => {
    const image = await stage.image({});
    const names = ["one", "two", "three"];
    const added = await Promise.all(names.map((name) => pod.apps.add({ image, name })));
    added.forEach(assertQuiet);
    assertEquals(Object.keys(pod.apps.list()).toSorted(), names.toSorted());
  });
});

scenario("attaching is asked for as rkt does", async (stage) => {
  await withSandbox(stage, true, async (pod, told) => {
    const modes: [mode: string, flags: string[]][] = [
      ["list", ["--action=list"]],
      ["auto", ["--action=auto-attach"]],
      [
        "stdin,stdout",
        ["--action=custom-attach", "--tty-in=false", "--tty-out=false"].concat(
          ["--stdin=true", "--stdout=true", "--stderr=false"],
        ),
      ],
      [
        "tty",
        ["--action=custom-attach", "--tty-in=true", "--tty-out=true"].concat(
          ["--stdin=false", "--stdout=false", "--stderr=false"],
        ),
      ],
    ];
    for (const [mode, flags] of modes) {
      const program = pod.apps.attach("mine", { mode });
      await program.result;
      assertEquals(told()[0], ["attach", ...flags, "--app=mine", "--debug=false"].join(" "));
    }
    await eventually("the pod", () => pod.isReady());
  });
});
