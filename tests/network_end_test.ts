/** Tests of how a pod leaves its networks: when it ends, and when something was killed. */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { existsSync } from "node:fs";
import { assertQuiet, assertRefused } from "./expect.ts";
import { eventually, isThere, SimulatedHost } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import {
  answers,
  describeNetwork,
  forwardPort,
  gone,
  keeperOf,
  serve,
  writeNetwork,
} from "./pod_networks.ts";
import { signalIfThere, startUp } from "./pod_processes.ts";
import { childrenOf, isAlive, readStatus } from "./procfs.ts";
import { scenario } from "./scenario.ts";
import { SmallDisk } from "./small_disk.ts";

const OPTIONS = { flavor: "isolated", needs: NETWORK_NEEDS } as const;
const FLAGS = { net: "default" };

scenario("a forwarded port leads to the pod that was started last", OPTIONS, async (stage) => {
  await using first = await stage.script(serve("first"));
  await using second = await stage.script(serve("second"));
  await using third = await stage.script(serve("third"));
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  for (const [pod, word] of [[first, "first"], [second, "second"], [third, "third"]] as const) {
    await forwardPort(pod);
    const program = await startUp(pod, 1, { host, flags: FLAGS });
    await answers(host, word);
    assertQuiet(await pod.stop({ host }));
    assertEquals((await program.result).stderr, "");
    assertEquals(await describeNetwork(host), before);
  }
  for (const pod of [first, second, third]) assertQuiet(await pod.gc({ host }));
});

scenario("a pod that has ended has left its networks, and gc has nothing to do", {
  ...OPTIONS,
  kernels: ["now", "5.11"],
}, async ({ script, dir }) => {
  await writeNetwork(dir, "echo gone");
  await using pod = await script("exit 7");
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const result = await pod.run({ host, flags: { net: "odd,default", localConfig: dir } });
  assertEquals([result.code, result.stderr], [7, ""]);
  assertEquals(await describeNetwork(host), before);
  const calls = () => Deno.readTextFileSync(`${dir}/calls`);
  assertEquals(calls(), "ADD\nDEL\n");
  // rkt's own tests unmount what this file names.
  await assertRejects(() => Deno.stat(`${pod.dir}/netns`), Deno.errors.NotFound);
  assertQuiet(await pod.gc({ host }));
  assertQuiet(await pod.gc({ host }));
  assertEquals(calls(), "ADD\nDEL\n");
});

scenario("a pod whose run is killed leaves its networks at once", OPTIONS, async ({ script }) => {
  await using pod = await script(serve("up"));
  await forwardPort(pod);
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const program = await startUp(pod, 1, { host, flags: FLAGS });
  const keeper = keeperOf(program);
  program.kill("SIGKILL");
  await program.result;
  await gone(keeper);
  assertEquals(await describeNetwork(host), before);
  assertQuiet(await pod.gc({ host }));
  assertQuiet(await pod.gc({ host }));
});

scenario("what a run has begun that is killed while it joins networks is undone", OPTIONS, async (
  { script, dir },
) => {
  const end = `${dir}/end`;
  await writeNetwork(dir, "exit 0", `while ! test -e ${end}; do sleep 0.1; done`);
  await using pod = await script("true");
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const calls = () => isThere(`${dir}/calls`) ? Deno.readTextFileSync(`${dir}/calls`) : "";
  const program = await pod.launch({ host, flags: { net: "odd,default", localConfig: dir } });
  await eventually("the plugin", () => calls() === "ADD\n");
  const keeper = keeperOf(program);
  program.kill("SIGKILL");
  await program.result;
  await Deno.writeTextFile(end, "");
  await gone(keeper);
  assertEquals(calls(), "ADD\nDEL\n");
  assertEquals(await describeNetwork(host), before);
  assertQuiet(await pod.gc({ host }));
});

scenario("gc takes a pod from its networks whose every process was killed", OPTIONS, async (
  { script },
) => {
  await using pod = await script(serve("up"));
  await forwardPort(pod);
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const program = await startUp(pod, 1, { host, flags: FLAGS });
  Deno.kill(keeperOf(program), "SIGKILL");
  program.kill("SIGKILL");
  await program.result;
  assert((await describeNetwork(host)).rules!.length > before.rules!.length);
  assertQuiet(await pod.gc({ host }));
  assertEquals(await describeNetwork(host), before);
  assertQuiet(await pod.gc({ host }));
});

scenario(
  "a pod whose keeper is killed ends as its app does, and leaves the rest to gc",
  OPTIONS,
  async (
    { script },
  ) => {
    await using pod = await script("trap 'exit 7' TERM; echo up; sleep 600 & wait");
    await using host = await SimulatedHost.open("shared", "own");
    const before = await describeNetwork(host);
    const program = await startUp(pod, 1, { host, flags: FLAGS });
    Deno.kill(keeperOf(program), "SIGKILL");
    assertQuiet(await pod.stop({ host }));
    const { code, stderr } = await program.result;
    assertEquals(code, 7);
    assertEquals(
      stderr,
      "run: left to gc: the process that leaves the pod's networks was killed\n",
    );
    assertQuiet(await pod.gc({ host }));
    assertEquals(await describeNetwork(host), before);
  },
);

scenario("a plugin that fails at a pod's end is told, and called again by gc", OPTIONS, async (
  { script, dir },
) => {
  await writeNetwork(dir, `test -e ${dir}/broken || exit 0; echo '{"msg":"broken"}'; exit 1`);
  await Deno.writeTextFile(`${dir}/broken`, "");
  await using pod = await script("exit 7");
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const result = await pod.run({ host, flags: { net: "odd", localConfig: dir } });
  assertEquals([result.code, result.stderr], [7, "run: left to gc: --net=odd: odd: broken\n"]);
  await Deno.remove(`${dir}/broken`);
  const { code, stderr } = await pod.gc({ host, args: ["--debug", pod.uuid] });
  assertEquals(code, 0);
  assertMatch(stderr, /^gc: leave network odd\ngc: executing net-plugin odd$/m);
  assertEquals(Deno.readTextFileSync(`${dir}/calls`), "ADD\nDEL\nDEL\n");
  assertEquals(await describeNetwork(host), before);
});

scenario("a pod ends as its app did, whatever time a plugin takes", {
  ...OPTIONS,
  patience: 180_000,
}, async ({ script, dir }) => {
  const end = `${dir}/end`;
  await writeNetwork(dir, `while ! test -e ${end}; do sleep 0.1; done`);
  await using pod = await script("exit 7");
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const { code, stderr } = await pod.run({ host, flags: { net: "odd", localConfig: dir } });
  const why = "leaving the networks takes more than 30 seconds";
  assertEquals([code, stderr], [7, `run: left to gc: ${why}\n`]);
  const collecting = pod.gc({ host });
  await Deno.writeTextFile(end, "");
  assertQuiet(await collecting);
  assertEquals(Deno.readTextFileSync(`${dir}/calls`), "ADD\nDEL\n");
  assertEquals(await describeNetwork(host), before);
});

scenario("a pod with users of its own leaves its networks", OPTIONS, async ({ script }) => {
  await using pod = await script(serve("own"), { privateUsers: "200000:65536" });
  await forwardPort(pod);
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const program = await startUp(pod, 1, { host, flags: FLAGS });
  await answers(host, "own");
  assertQuiet(await pod.stop({ host }));
  assertEquals((await program.result).stderr, "");
  assertEquals(await describeNetwork(host), before);
  assertQuiet(await pod.gc({ host }));
});

scenario("stop --force ends a pod whose plugin hangs", OPTIONS, async ({ script, dir }) => {
  const begun = `${dir}/begun`;
  const end = `${dir}/end`;
  await writeNetwork(dir, `touch ${begun}; while ! test -e ${end}; do sleep 0.1; done`);
  await using pod = await script("echo up; sleep 600");
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const flags = { net: "odd", localConfig: dir };
  const program = await startUp(pod, 1, { host, flags });
  const keeper = keeperOf(program);
  assertQuiet(await pod.stop({ host }));
  await eventually("the plugin", () => isThere(begun));
  assertQuiet(await pod.stop({ host, force: true }));
  await program.result;
  assertEquals(await pod.isRunning(), false);
  assertEquals(isAlive(keeper), true);
  const collecting = pod.gc({ host });
  await Deno.writeTextFile(end, "");
  assertQuiet(await collecting);
  await gone(keeper);
  assertEquals(Deno.readTextFileSync(`${dir}/calls`), "ADD\nDEL\n");
  assertEquals(await describeNetwork(host), before);
});

scenario("a pod whose app cannot start leaves its networks", OPTIONS, async ({ pod: compose }) => {
  await using pod = await compose({ app: { exec: ["/nowhere"] } });
  await forwardPort(pod);
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  assertRefused(await pod.run({ host, flags: FLAGS }), "run", /nowhere/);
  assertEquals(await describeNetwork(host), before);
  assertQuiet(await pod.gc({ host }));
});

scenario("a pod in no network, or in the host's, has no keeper", OPTIONS, async ({ script }) => {
  for (const net of ["none", "host"]) {
    await using pod = await script("echo up; sleep 600");
    await using host = await SimulatedHost.open("shared", "own");
    const program = await startUp(pod, 1, { host, flags: { net } });
    let error: unknown;
    try {
      keeperOf(program);
    } catch (thrown) {
      error = thrown;
    }
    assertMatch(String(error), /no keeper/);
    assertQuiet(await pod.stop({ host, force: true }));
    await program.result;
    assertQuiet(await pod.gc({ host }));
  }
});

scenario(
  "the keeper has no privileges, no signal and nothing of the pod or the caller",
  OPTIONS,
  async (
    { script },
  ) => {
    await using pod = await script("echo up; sleep 600");
    await using host = await SimulatedHost.open("shared", "own");
    const program = await startUp(pod, 1, { host, flags: FLAGS });
    const keeper = keeperOf(program);
    const status = readStatus(keeper);
    assertEquals(status["CapEff"], "0000000000000000");
    assertEquals(status["CapPrm"], "0000000000000000");
    for (const kind of ["mnt", "net", "pid", "ipc", "uts", "user", "cgroup"]) {
      const of = (pid: number) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`);
      assertEquals(of(keeper), of(program.pid), kind);
    }
    const open = [...Deno.readDirSync(`/proc/${keeper}/fd`)]
      .map(({ name }) => Deno.readLinkSync(`/proc/${keeper}/fd/${name}`));
    const strange = open.filter((path) =>
      !/^pipe:|memfd:report|networks\.keeper$|^\/run\/stage1-volo\//.test(path)
    );
    assertEquals(strange, []);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) Deno.kill(keeper, signal);
    assertEquals(isAlive(keeper), true);
    assertQuiet(await pod.stop({ host }));
    await program.result;
    assertEquals(isAlive(keeper), false);
    assertQuiet(await pod.gc({ host }));
  },
);

scenario(
  "on a full disk, gc takes a pod from a network whose plugin was killed with run",
  OPTIONS,
  async ({ script, stage0, dir }) => {
    await writeNetwork(dir, "echo gone");
    const plugin = `echo $CNI_COMMAND >>${dir}/calls; test $CNI_COMMAND = DEL || exec sleep 100`;
    await Deno.writeTextFile(`${dir}/net.d/odd`, `#!/bin/sh\n${plugin}\n`);
    await using disk = await SmallDisk.mount(stage0);
    await using pod = await script("exit 7");
    await using host = await SimulatedHost.open("shared", "own");
    const before = await describeNetwork(host);
    const program = await pod.launch({ host, flags: { net: "odd", localConfig: dir } });
    await eventually("a plugin", () => existsSync(`${dir}/calls`));
    const plugins = childrenOf(program.pid);
    program.kill("SIGKILL");
    for (const { pid } of plugins) signalIfThere(pid, "SIGKILL");
    await program.result;
    await Deno.mkdir(`${pod.dir}/../../exited-garbage`, { recursive: true });
    await disk.fill();
    assertQuiet(await pod.gc({ host }));
    assertEquals(await Deno.readTextFile(`${dir}/calls`), "ADD\nDEL\n");
    assertEquals(await describeNetwork(host), before);
  },
);
