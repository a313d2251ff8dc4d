/** Tests of an isolated pod in a network of its own, on a host that only the test uses. */

import { assertEquals, assertMatch } from "@std/assert";
import { existsSync } from "node:fs";
import { assertQuiet, assertRefused, editJson } from "./expect.ts";
import { eventually, execute, type Host, must, SimulatedHost, which } from "./host.ts";
import { startUp } from "./pod_processes.ts";
import { type Need, scenario } from "./scenario.ts";

/** The directory of the plugins in Debian's package containernetworking-plugins. */
const PLUGINS = "/usr/lib/cni";

const NEEDS: Need[] = [
  { what: `the CNI plugins in ${PLUGINS}`, met: existsSync(`${PLUGINS}/ptp`) },
  ...["ip", "iptables", "iptables-save"].map((program) => ({
    what: program,
    met: which(program) !== undefined,
  })),
];

/** Lists what pods can leave on a host: interfaces, namespaces, rules, and taken addresses. */
async function describeNetwork(host: Host): Promise<Record<string, string[]>> {
  const links: { ifname: string }[] = JSON.parse(await must(["ip", "-j", "link", "show"], host));
  const rules = (await must(["iptables-save"], host)).split("\n");
  const find = ["find", "/run/netns", "/var/lib/cni", "-type", "f", "-name", "[0-9c]*"];
  return {
    links: links.map(({ ifname }) => ifname),
    rules: rules.filter((line) => /^-A CNI-(DN|SN|[0-9a-f])/.test(line)),
    files: (await execute(find, host)).stdout.split("\n").filter((line) => line !== ""),
  };
}

scenario("a pod is in the default network until gc takes it out", {
  flavor: "isolated",
  needs: NEEDS,
}, async ({ script }) => {
  const text = "ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; echo $AC_METADATA_URL; " +
    "cat /etc/hosts | wc -l; echo up; exec nc -ll -p 80 -e echo hello";
  await using pod = await script(text);
  await editJson(`${pod.dir}/pod`, (manifest) => {
    manifest.apps[0].app.ports = [{ name: "http", protocol: "tcp", port: 80 }];
    manifest.ports = [{ name: "http", hostPort: 8080 }];
  });
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const flags = { net: "default:IP=172.16.28.77", mdsToken: "token" };
  const program = await startUp(pod, 1, { host, flags });
  assertEquals(program.stderr, "");
  assertEquals(program.stdout, "inet 172.16.28.77\nhttp://172.16.28.1:18112/token\n2\nup\n");
  const [network] = JSON.parse(await Deno.readTextFile(`${pod.dir}/net-info.json`));
  assertEquals([network.netName, network.ip, network.ifName], ["default", "172.16.28.77", "eth0"]);
  assertMatch(await Deno.readTextFile(`${pod.dir}/netns`), new RegExp(pod.uuid));
  await eventually("an answer", async () => {
    const { stdout } = await execute(["busybox", "nc", "-w", "3", "127.0.0.1", "8080"], host);
    return stdout === "hello\n";
  });
  assertQuiet(await pod.stop({ host }));
  assertQuiet({ ...await program.result });
  assertQuiet(await pod.gc({ host }));
  assertEquals(await describeNetwork(host), before);
});

scenario("a network that is not there is refused, and nothing is left", {
  flavor: "isolated",
  needs: NEEDS,
}, async (stage) => {
  await using pod = await stage.script("echo started");
  await using host = await SimulatedHost.open("shared", "own");
  const before = await describeNetwork(host);
  const result = await pod.run({ host, flags: { net: "nowhere" } });
  assertRefused(result, "run", /nowhere/);
  assertEquals(result.stdout, "");
  assertEquals(await describeNetwork(host), before);
});
