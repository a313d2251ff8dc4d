/**
 * Tests of hostile pods in the host's namespaces. An app confined to its root sees the host's
 * processes, but does not get through those of stage1 to the host's files. No process can hide
 * there.
 */

import { assertEquals } from "@std/assert";
import { assertCode } from "./expect.ts";
import { eventually, sleep } from "./host.ts";
import { COMPILER, HOSTILE, hostileImage } from "./hostile_pods/attackers.ts";
import { layBait } from "./hostile_pods/bait.ts";
import { retaining } from "./hostile_pods/stances.ts";
import { startUp } from "./pod_processes.ts";
import { childrenOf, isAlive } from "./procfs.ts";
import { scenario } from "./scenario.ts";

const TRUE = ["/bin/true"];

/**
 * The capabilities of an entrypoint that has confined itself are no more than those of this app.
 */
const MAY_SIGNAL = { isolators: retaining("CAP_KILL", "CAP_DAC_OVERRIDE") };

scenario(
  "who waits for a command is no way to the host's root",
  { needs: COMPILER },
  async (stage) => {
    const bait = await layBait(stage.dir);
    const look = `echo up; while true; do for pid in /proc/[0-9]*; do ` +
      `case $(cat $pid/comm 2>/dev/null) in enter|run|init) ` +
      `cat $pid/root${bait.path}/secret >>/spoils/loot; ` +
      `touch $pid/root${bait.path}/reached; esac; done; done 2>/dev/null`;
    const image = await hostileImage(stage);
    const app = { ...MAY_SIGNAL, exec: ["/bin/sh", "-c", look] };
    await using pod = await stage.pod({ image, app });
    await startUp(pod);
    const entered = pod.startEnter("app", ["/bin/sleep", "2"]);
    await entered.result;
    bait.assertUntouched(pod);
  },
);

scenario(
  "an app whose first thread has ended is entered, stopped and killed",
  { needs: COMPILER },
  async (stage) => {
    const image = await hostileImage(stage);
    await using pod = await stage.pod({ image, app: { exec: [HOSTILE, "leaderless"] } });
    const program = await startUp(pod);
    await sleep(100);
    assertCode(await pod.enter("app", TRUE), 0);
    assertCode(await pod.stop({ force: true }), 0);
    assertEquals((await program.result).signal, "SIGKILL");
  },
);

scenario("an app whose first thread has ended is entered and stopped", {
  flavor: "isolated",
  needs: COMPILER,
}, async (stage) => {
  const image = await hostileImage(stage);
  await using pod = await stage.pod({ image, app: { exec: [HOSTILE, "leaderless"] } });
  const program = await startUp(pod);
  await sleep(100);
  assertCode(await pod.enter("app", TRUE), 0);
  assertCode(await pod.stop(), 0);
  await program.result;
});

scenario("a pod ends with run, whoever looks into its pid 1", {
  flavor: "isolated",
  needs: COMPILER,
}, async (stage) => {
  const image = await hostileImage(stage);
  const text = "(exec 9<>/proc/1/fd/0; sleep 100) 2>/dev/null & echo up; exec sleep 100";
  const isolators = retaining("CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE");
  await using pod = await stage.pod({ image, app: { isolators, exec: ["/bin/sh", "-c", text] } });
  const program = await startUp(pod);
  const pid = pod.readNumber("pid")!;
  assertEquals(childrenOf(program.pid).some((child) => child.pid === pid), true);
  program.kill("SIGKILL");
  await program.result;
  await eventually("the end of the pod", () => !isAlive(pid));
});
