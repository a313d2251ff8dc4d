/** Tests of the limit of a pod's traffic, with the plugin `bandwidth` of the host. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { assertQuiet, editJson } from "./expect.ts";
import { execute, mountTmpfs, must, SimulatedHost, which } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { answers, describeNetwork, forwardPort, writeNetwork } from "./pod_networks.ts";
import { startUp } from "./pod_processes.ts";
import { scenario } from "./scenario.ts";
import type { Pod } from "./stage0.ts";

const PLUGINS = "/usr/lib/cni";

const OPTIONS = {
  flavor: "isolated",
  needs: [
    ...NETWORK_NEEDS,
    { what: "tc", met: which("tc") !== undefined },
    { what: "the CNI plugin bandwidth", met: existsSync(`${PLUGINS}/bandwidth`) },
  ],
} as const;

const MEGABYTE = 1_000_000;
const LIMIT = { name: "resource/network-bandwidth", value: { default: true, limit: "1M" } };

scenario("traffic is limited in each direction, and a port still leads to the pod", OPTIONS, async (
  { script },
) => {
  const text = [
    "nc -ll -p 81 -e head -c 2000000 /dev/zero &",
    `nc -ll -p 82 -e sh -c 'head -c 2000000 | wc -c' &`,
    "echo up; exec nc -ll -p 80 -e echo hello",
  ];
  await using pod = await script(text.join("\n"), { app: { isolators: [LIMIT] } });
  await forwardPort(pod);
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const program = await startUp(pod, 1, { host, flags: { net: "default:IP=172.16.28.77" } });
  assertEquals(program.stderr, "");
  await answers(host, "hello");
  const shapers = await must(["tc", "qdisc", "show"], host);
  assertEquals(shapers.match(/qdisc tbf .* rate 8Mbit /g)?.length, 2, shapers);
  const fromPod = "nc 172.16.28.77 81 | wc -c";
  const toPod = "head -c 2000000 /dev/zero | nc 172.16.28.77 82";
  for (const command of [fromPod, toPod]) {
    const begun = Date.now();
    const { stdout } = await execute(["busybox", "sh", "-c", command], host);
    const seconds = (Date.now() - begun) / 1000;
    assertEquals(stdout, "2000000\n", command);
    // All but the burst takes its time. A slow machine takes longer.
    assert(seconds > 2 - 0.5, `${command}: ${2 * MEGABYTE} bytes in ${seconds} s`);
  }
  assertQuiet(await pod.stop({ host }));
  await program.result;
  assertEquals(await describeNetwork(host), before);
});

scenario("the pod's limit and its only app's: the smaller one counts", OPTIONS, async (
  { script },
) => {
  await using pod = await script("echo up; sleep 600", { app: { isolators: [LIMIT] } });
  await limitPod(pod, "500000");
  await using host = await SimulatedHost.open("shared", "own");
  const program = await startUp(pod, 1, { host, flags: { net: "default" } });
  assertMatch(await must(["tc", "qdisc", "show"], host), /qdisc tbf .* rate 4Mbit /);
  assertQuiet(await pod.stop({ host, force: true }));
  await program.result;
});

scenario("a limit that cannot be set on the pod's interface is said", OPTIONS, async (
  { script, dir },
) => {
  await writeNetwork(dir, "exit 0");
  await using pod = await script("true", { app: { isolators: [LIMIT] } });
  await using host = await SimulatedHost.open("shared", "own");
  const { code, stderr } = await pod.run({ host, flags: { net: "odd", localConfig: dir } });
  assertEquals(code, 0);
  assertMatch(stderr, /^run: --net=odd: resource\/network-bandwidth: not enforced: .*no other end/);
});

scenario("that the host has no plugin to shape traffic is said", OPTIONS, async (
  { script, dir },
) => {
  await writeNetwork(dir, "exit 0");
  await using pod = await script("true", { app: { isolators: [LIMIT] } });
  await using host = await SimulatedHost.open("shared", "own");
  await using _hidden = await mountTmpfs(PLUGINS, host);
  const { code, stderr } = await pod.run({ host, flags: { net: "odd", localConfig: dir } });
  assertEquals(code, 0);
  assertMatch(
    stderr,
    /^run: apps\[0\].*network-bandwidth\): not enforced: .*no plugin "bandwidth"/,
  );
});

async function limitPod(pod: Pod, limit: string): Promise<void> {
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.isolators = [{ ...LIMIT, value: { default: true, limit } }];
  });
}
