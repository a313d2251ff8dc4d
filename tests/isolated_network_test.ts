/** Tests of an isolated pod in a network of its own, on a host that only the test uses. */

import { assertEquals, assertMatch } from "@std/assert";
import { assertQuiet, assertRefused } from "./expect.ts";
import { SimulatedHost } from "./host.ts";
import { NETWORK_NEEDS } from "./network_needs.ts";
import { answers, describeNetwork, forwardPort } from "./pod_networks.ts";
import { startUp } from "./pod_processes.ts";
import { scenario } from "./scenario.ts";

scenario("a pod is in the default network until it ends", {
  flavor: "isolated",
  needs: NETWORK_NEEDS,
}, async ({ script }) => {
  const text = "ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; echo $AC_METADATA_URL; " +
    "cat /etc/hosts | wc -l; echo up; exec nc -ll -p 80 -e echo hello";
  await using pod = await script(text);
  await forwardPort(pod);
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const flags = { net: "default:IP=172.16.28.77", mdsToken: "token" };
  const program = await startUp(pod, 1, { host, flags });
  assertEquals(program.stderr, "");
  assertEquals(program.stdout, "inet 172.16.28.77\nhttp://172.16.28.1:18112/token\n2\nup\n");
  const [network] = JSON.parse(await Deno.readTextFile(`${pod.dir}/net-info.json`));
  assertEquals([network.netName, network.ip, network.ifName], ["default", "172.16.28.77", "eth0"]);
  assertMatch(await Deno.readTextFile(`${pod.dir}/netns`), new RegExp(pod.uuid));
  await answers(host, "hello");
  assertQuiet(await pod.stop({ host }));
  assertQuiet({ ...await program.result });
  assertEquals(await describeNetwork(host), before);
  assertQuiet(await pod.gc({ host }));
});

scenario("a network that is not there is refused, and nothing is left", {
  flavor: "isolated",
  needs: NETWORK_NEEDS,
}, async (stage) => {
  await using pod = await stage.script("echo started");
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const result = await pod.run({ host, flags: { net: "nowhere" } });
  assertRefused(result, "run", /nowhere/);
  assertEquals(result.stdout, "");
  assertEquals(await describeNetwork(host), before);
});
