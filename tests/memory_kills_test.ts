/** Tests that `run` tells when the kernel kills processes of its pod because memory is short. */

import { assertEquals, assertGreater, assertLess, assertMatch } from "@std/assert";
import { assertCode, assertQuiet, editJson } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { startUp } from "./pod_processes.ts";
import { readMounts } from "./procfs.ts";
import { type Need, scenario } from "./scenario.ts";
import type { Pod, Program } from "./stage0.ts";

const V1 = readMounts().find(({ type, path }) => type === "cgroup" && path.endsWith("/memory"))
  ?.path;

const NEEDS: Need[] = [{ what: "the controller memory in cgroup v1", met: V1 !== undefined }];

/** Takes all memory that it can get. */
const GREEDY = "tail /dev/zero";

function memory(limit: string) {
  return { name: "resource/memory", value: { limit } };
}

/** Collects a pod when its test ends: its cgroups would outlive a test that fails. */
function collecting(pod: Pod): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      await pod.gc();
      assertEquals(findPodCgroups([pod.uuid]), []);
    },
  };
}

/** The lines of `run` about kills, without its name. */
function told({ stderr }: Program): string[] {
  return stderr.split("\n").filter((line) => line.includes("killed for memory"))
    .map((line) => line.replace(/^run: /, ""));
}

/** How many seconds of processor time a program has used. */
function secondsUsedBy({ pid }: Program): number {
  const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).replace(/.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

scenario(
  "an app that is killed for memory is told with its limit, and its status is 137",
  { flavor: "isolated", needs: NEEDS },
  async ({ script }) => {
    const app = { isolators: [memory("32Mi")], user: "1000", group: "1000" };
    await using pod = await script(`exec ${GREEDY}`, { app });
    await using _ = collecting(pod);
    const result = await pod.run();
    assertCode(result, 137);
    assertEquals(
      result.stderr,
      "run: apps[0].app.isolators[0] (resource/memory): killed for memory: " +
        '1 process of app "app": the limit is 32 MiB\n',
    );
    assertEquals(await Deno.readTextFile(`${pod.stage1Rootfs}/rkt/status/app`), "137\n");
  },
);

scenario(
  "a child that is killed for memory is told while its app goes on",
  { flavor: "isolated", needs: NEEDS },
  async ({ script }) => {
    const app = { isolators: [memory("32Mi")] };
    await using pod = await script(`echo up; ${GREEDY}; echo went on; exec sleep 100`, { app });
    await using _ = collecting(pod);
    const program = await pod.start();
    await program.prints("went on");
    await eventually("a line", () => told(program).length > 0);
    assertEquals(program.ended, false);
    assertQuiet(await pod.stop());
    assertCode(await program.result, 0);
    assertEquals(told(program).map((line) => line.replace(/.*: (?=1 process)/, "")), [
      '1 process of app "app": the limit is 32 MiB',
    ]);
  },
);

scenario(
  "of several apps the one is named whose process is killed",
  { flavor: "either", needs: NEEDS },
  async ({ scripts }) => {
    await using pod = await scripts({
      small: `echo up; ${GREEDY}; exec sleep 100`,
      other: "echo up; exec sleep 100",
    });
    await using _ = collecting(pod);
    await editJson(`${pod.dir}/pod`, (manifest) => {
      manifest.apps[0].app.isolators = [memory("24Mi")];
    });
    const program = await startUp(pod, 2);
    await eventually("a line", () => told(program).length > 0);
    assertEquals(told(program), [
      "apps[0].app.isolators[0] (resource/memory): killed for memory: " +
      '1 process of app "small": the limit is 24 MiB',
    ]);
    assertQuiet(await pod.stop());
    await program.result;
  },
);

scenario(
  "the pod's limit is told as the pod's",
  { flavor: "isolated", needs: NEEDS },
  async (stage) => {
    await using pod = await stage.script(`echo up; ${GREEDY}; exec sleep 100`);
    await using _ = collecting(pod);
    await editJson(`${pod.dir}/pod`, (manifest) => manifest.isolators = [memory("24Mi")]);
    const program = await startUp(pod);
    await eventually("a line", () => told(program).length > 0);
    assertEquals(told(program), [
      'isolators[0] (resource/memory): killed for memory: 1 process of app "app": the limit is 24 MiB',
    ]);
    assertQuiet(await pod.stop());
    await program.result;
  },
);

scenario(
  "a shortage beyond the pod is told as that",
  { flavor: "isolated", needs: NEEDS },
  async ({ script }) => {
    const text = `echo up; until [ -e /go ]; do sleep .05; done; ${GREEDY}; exec sleep 100`;
    await using pod = await script(text, { app: { isolators: [memory("1Gi")] } });
    await using _ = collecting(pod);
    const program = await startUp(pod);
    // The app's limit is the only one that run knows of.
    const cgroup = findPodCgroups([pod.uuid]).find((path) => path.startsWith(`${V1}/`));
    await Deno.writeTextFile(`${cgroup}/memory.limit_in_bytes`, "24M");
    assertQuiet(await pod.enter("app", ["/bin/touch", "/go"]));
    await eventually("a line", () => told(program).length > 0);
    assertEquals(told(program), [
      'apps[0]: killed for memory: 1 process of app "app": at no limit of the pod, but of a ' +
      "cgroup above it, or of the machine",
    ]);
    assertQuiet(await pod.stop());
    await program.result;
  },
);

scenario(
  "an app whose children are killed all the time does not flood the caller or keep run busy",
  { flavor: "isolated", needs: NEEDS, patience: 120_000 },
  async ({ script }) => {
    const app = { isolators: [memory("8Mi")] };
    const loop = `while :; do ${GREEDY}; done`;
    await using pod = await script(`${loop} & ${loop} & echo up; ${loop}`, { app });
    await using _ = collecting(pod);
    const program = await startUp(pod);
    await eventually("a line", () => told(program).length > 0);
    const before = secondsUsedBy(program);
    await sleep(5_000);
    assertEquals(told(program).length, 1);
    assertLess(secondsUsedBy(program) - before, 1);
    assertQuiet(await pod.stop());
    await program.result;
    assertEquals(told(program).length, 2, program.stderr);
    const [count] = told(program)[1]!.match(/\d+(?= processes)/)!;
    assertGreater(Number(count), 2);
    assertMatch(told(program)[1]!, /limit is 8 MiB$/);
  },
);
