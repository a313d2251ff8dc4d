import { assert, assertEquals, assertThrows } from "@std/assert";
import type { ConfigurationFile } from "./configuration.ts";
import type { PortMapping } from "./forwarded_ports.ts";
import { type NetworkPlan, planNetworks } from "./networks.ts";

const DIRECTORY = "/etc/rkt/net.d";
const PORT: PortMapping = { hostPort: 80, containerPort: 8080, protocol: "tcp" };

function file(name: string, configuration: unknown): ConfigurationFile {
  return { path: `${DIRECTORY}/${name}`, text: JSON.stringify(configuration) };
}

function plan(net: string, files: ConfigurationFile[] = [], ports: PortMapping[] = []) {
  return planNetworks({ net, directory: DIRECTORY, files, ports });
}

/** A plan of which the test knows that it has networks. */
function contained(...request: Parameters<typeof plan>): NetworkPlan & { kind: "contained" } {
  const planned = plan(...request);
  if (planned.kind !== "contained") throw new Error(`a plan of kind ${planned.kind}`);
  return planned;
}

/** Each network's name, interface and plugins. */
function outline(...request: Parameters<typeof plan>): string[] {
  return contained(...request).networks.map(({ name, ifName, calls }) =>
    [name, ifName, ...calls.map(({ type }) => type)].join(" ")
  );
}

const LAN = file("10-lan.conf", { name: "lan", type: "macvlan" });
const BRIDGE = file("20-bridge.conf", { name: "bridge", type: "bridge", ipMasq: true });
const LIST = file("30-list.conflist", {
  cniVersion: "1.0.0",
  name: "list",
  plugins: [{ type: "ptp" }, { type: "portmap", capabilities: { portMappings: true } }],
});
const FILES = [LAN, BRIDGE, LIST];

Deno.test("host in the list means the host's network, none none at all, host before none", () => {
  assertEquals(plan("host"), { kind: "host", notes: [] });
  assertEquals(plan("lan,host,none").kind, "host");
  assertEquals(plan("lan,none"), { kind: "none", notes: [] });
});

Deno.test("networks are joined in the order of their files' names, built-in ones among them", () => {
  const last = file("zz.conf", { name: "last", type: "ipvlan" });
  assertEquals(outline("last,default,default-restricted,bridge,lan", [...FILES, last]), [
    "lan eth0 macvlan",
    "bridge eth1 bridge",
    "default-restricted eth2 ptp",
    "default eth3 ptp",
    "last eth4 ipvlan",
  ]);
});

Deno.test("all is every network that there is, and arguments may stand beside it", () => {
  const { networks } = contained("all,lan:IP=10.0.0.1", FILES);
  assertEquals(networks.map(({ name, args }) => `${name} ${args}`.trim()), [
    "lan IP=10.0.0.1",
    "bridge",
    "list",
    "default-restricted",
    "default",
  ]);
});

Deno.test("a configuration of the user's goes before the built-in one of its name", () => {
  const mine = file("50-default.conf", { name: "default", type: "bridge" });
  assertEquals(outline("default", [mine]), ["default eth0 bridge"]);
  assertEquals(contained("default", [mine]).notes, []);
});

Deno.test("of two files with one network the first counts, which is said if it is joined", () => {
  const double = file("11-lan.conf", { name: "lan", type: "ptp" });
  assertEquals(outline("lan", [LAN, double]), ["lan eth0 macvlan"]);
  assertEquals(contained("lan", [LAN, double]).notes, [
    '/etc/rkt/net.d/11-lan.conf: ignored: a file before it has a network "lan" as well',
  ]);
  assertEquals(contained("default", [LAN, double]).notes, []);
});

Deno.test("a network that there is not is named, and so are those that there are", () => {
  assertThrows(
    () => plan("lan,wan,office", [LAN]),
    Error,
    '--net: no network "wan", "office": /etc/rkt/net.d and this image have ' +
      "lan, default-restricted, default",
  );
});

Deno.test("a single plugin gets its file to the byte", () => {
  const text = '{ "Name" : "odd" ,\n "TYPE":"ptp"  }';
  const [network] = contained("odd", [{ path: "/odd.conf", text }], [PORT]).networks;
  assertEquals(network?.calls[0]?.configuration, text);
});

Deno.test("each plugin of a list gets its part with the list's name and version", () => {
  const [network] = contained("list", FILES).networks;
  assertEquals(network?.calls.map(({ configuration }) => JSON.parse(configuration)), [
    { type: "ptp", name: "list", cniVersion: "1.0.0" },
    {
      type: "portmap",
      capabilities: { portMappings: true },
      name: "list",
      cniVersion: "1.0.0",
    },
  ]);
});

Deno.test("a plugin that wants to be told of ports is told, and no other is added", () => {
  const [network] = contained("list", FILES, [PORT]).networks;
  assertEquals(network?.calls.length, 2);
  assertEquals(JSON.parse(network!.calls[1]!.configuration).runtimeConfig, {
    portMappings: [PORT],
  });
});

const MAIN: [net: string, main: string, networks: string[]][] = [
  ["lan,bridge,default", "bridge", [
    "lan eth0 macvlan",
    "bridge eth1 bridge portmap",
    "default eth2 ptp",
  ]],
  ["default,lan", "default", ["lan eth0 macvlan", "default eth1 ptp portmap"]],
  ["lan,default-restricted", "default-restricted", [
    "lan eth0 macvlan",
    "default-restricted eth1 ptp portmap",
  ]],
  ["bridge,list", "list", ["bridge eth0 bridge", "list eth1 ptp portmap"]],
];

for (const [net, main, networks] of MAIN) {
  Deno.test(`with --net=${net} ports lead through ${main}`, () => {
    assertEquals(outline(net, FILES, [PORT]), networks);
    assertEquals(contained(net, FILES).main, main);
  });
}

Deno.test("the portmap that is added is told of the ports, in a version that all know", () => {
  const [network] = contained("default", [], [PORT]).networks;
  const { cniVersion, configuration } = network!.calls[1]!;
  const { runtimeConfig, ...rest } = JSON.parse(configuration);
  assertEquals(cniVersion, "0.3.1");
  assertEquals(runtimeConfig, { portMappings: [PORT] });
  assertEquals([rest.cniVersion, rest.name, rest.snat], ["0.3.1", "default", true]);
});

const RATES = { ingressRate: 8, ingressBurst: 80, egressRate: 8, egressBurst: 80 };

Deno.test("a limit of traffic is set in each network, behind ports, by a plugin that is added", () => {
  const request = { net: "default,lan", directory: DIRECTORY, files: FILES, ports: [PORT] };
  const planned = planNetworks({ ...request, bandwidth: RATES });
  assert(planned.kind === "contained");
  assertEquals(planned.networks.map(({ calls }) => calls.map(({ type }) => type)), [
    ["macvlan", "bandwidth"],
    ["ptp", "portmap", "bandwidth"],
  ]);
  const { configuration, adds } = planned.networks[1]!.calls[2]!;
  assertEquals(adds, "bandwidth");
  assertEquals(JSON.parse(configuration).runtimeConfig, { bandwidth: RATES });
});

Deno.test("a network's own plugin that takes a limit of traffic is told of it", () => {
  const shaped = file("40-shaped.conflist", {
    name: "shaped",
    plugins: [{ type: "ptp" }, { type: "shaper", capabilities: { bandwidth: true } }],
  });
  const request = { net: "shaped", directory: DIRECTORY, files: [shaped], ports: [] };
  const planned = planNetworks({ ...request, bandwidth: RATES });
  assert(planned.kind === "contained");
  const [, shaper, ...added] = planned.networks[0]!.calls;
  assertEquals(JSON.parse(shaper!.configuration).runtimeConfig, { bandwidth: RATES });
  assertEquals(added, []);
});

Deno.test("ports to a pod without a network are refused", () => {
  assertThrows(() => plan("none", [], [PORT]), Error, "ports: --net=none: ");
});

Deno.test("a file that is wrong is an error whichever networks are joined, as for rkt", () => {
  assertThrows(() => plan("default", [file("x.conf", {})]), Error, "x.conf: name: missing");
  assertEquals(plan("none", [file("x.conf", {})]).kind, "none");
});
