/**
 * A program that tests pods' networks in a network namespace and a mount namespace of its own. Real
 * plugins work there down to the last rule of iptables, and the machine is not affected.
 *
 * `unshare --net --mount --propagation private deno run -A tests/network_host.ts CASE`, with an
 * empty working directory, which becomes the pod's.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { existsSync } from "node:fs";
import { makeNetwork } from "../src/linux/namespaces.ts";
import { readConfigurationFiles } from "../src/network/configuration_files.ts";
import type { ProgramEnd, ProgramRun, RunProgram } from "../src/network/plugin.ts";
import { type JoinedNetworks, setUpNetworks } from "../src/network/set_up.ts";
import { tearDownNetworks } from "../src/network/tear_down.ts";
import type { PortMapping } from "../src/plan/network/forwarded_ports.ts";
import { planNetworks } from "../src/plan/network/networks.ts";
import { describeError } from "../src/stage1/entrypoint.ts";

const UUID = "6733c088-a507-4694-aabf-edbe4fc5266f";
const OTHER_UUID = "00000000-a507-4694-aabf-edbe4fc5266f";

/** The directory that rkt calls its local configuration. */
const LOCAL_CONFIG = `${Deno.cwd()}/local`;
const DIRECTORY = `${LOCAL_CONFIG}/net.d`;
const POD_NETWORK = `cni-${UUID}`;

/** How often to try to reach a server, and how long to wait in between. */
const PATIENCE = { attempts: 50, milliseconds: 100 };

const CASES: Record<string, () => void> = {
  default: joinDefault,
  ports: reachPorts,
  hostIP: reachPortOfOneAddress,
  bridge: joinBridge,
  macvlan: joinMacvlan,
  list: joinList,
  dns: learnNameServers,
  speech: speakCni,
  told: tellResult,
  conflict: refuseTakenAddress,
  missing: refuseMissingPlugin,
  restart: leaveAfterRestart,
  halfway: leaveAfterKill,
  later: leaveToGc,
};

function joinDefault(): void {
  const { podIP, hostIP, notes } = setUp("default:IP=172.16.28.123");
  assertEquals([podIP, hostIP, notes], ["172.16.28.123", "172.16.28.1", []]);
  assertEquals(Deno.readTextFileSync("netns"), `/var/run/netns/${POD_NETWORK}`);
  assertEquals(JSON.parse(Deno.readTextFileSync("net-info.json")), [{
    netName: "default",
    netConf: "99-default.conf",
    pluginPath: "stage1/rootfs/usr/lib/rkt/plugins/net/ptp",
    ifName: "eth0",
    ip: "172.16.28.123",
    args: "IP=172.16.28.123",
    mask: "255.255.255.0",
  }]);
  assertMatch(inPod("ip", "link", "show", "lo"), /,UP/);
  assertMatch(inPod("ip", "address", "show", "eth0"), /inet 172\.16\.28\.123\/24/);
  assertMatch(inPod("ip", "route"), /default via 172\.16\.28\.1 dev eth0/);
  inPod("busybox", "ping", "-c", "1", "-W", "5", "172.16.28.1");
  assertMatch(must("iptables", "-t", "nat", "-S"), /-s 172\.16\.28\.\d+.*-j CNI-/);
  tearDown();
}

function reachPorts(): void {
  setUp("default", [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }]);
  using _server = serveInPod(80);
  assertEquals(fetchFrom("172.16.28.1:8080"), "hello\n");
  assertEquals(fetchFrom("127.0.0.1:8080"), "hello\n");
  tearDown();
}

function reachPortOfOneAddress(): void {
  const hostIP = "172.16.28.1";
  setUp("default", [{ hostPort: 8080, containerPort: 80, protocol: "tcp", hostIP }]);
  using _server = serveInPod(80);
  assertEquals(fetchFrom("172.16.28.1:8080"), "hello\n");
  assertThrows(() => fetchFrom("127.0.0.1:8080"));
  tearDown();
}

/** Spells the fields in capitals, as Go programs may. */
function joinBridge(): void {
  configure("10-lan.conf", {
    Name: "lan",
    Type: "bridge",
    Bridge: "bridge1",
    IsGateway: true,
    IpMasq: true,
    Ipam: { Type: "host-local", subnet: "11.11.5.0/24", routes: [{ dst: "0.0.0.0/0" }] },
  });
  const { podIP } = setUp("default-restricted,lan", [
    { hostPort: 8080, containerPort: 80, protocol: "tcp" },
  ]);
  assertEquals(podIP, "11.11.5.2");
  assertEquals(joinedNetworks(), [["lan", "eth0"], ["default-restricted", "eth1"]]);
  using _server = serveInPod(80);
  assertEquals(fetchFrom("11.11.5.1:8080"), "hello\n");
  assertEquals(fetchFrom("127.0.0.1:8080"), "hello\n");
  tearDown(["bridge1"]);
}

function joinMacvlan(): void {
  configure("lan.conf", {
    name: "lan",
    type: "macvlan",
    master: "outside",
    ipam: { type: "host-local", subnet: "11.11.4.0/24" },
  });
  must("ip", "link", "add", "outside", "type", "bridge");
  must("ip", "link", "set", "outside", "up");
  assertEquals(setUp("lan:IP=11.11.4.244").podIP, "11.11.4.244");
  assertMatch(inPod("ip", "-d", "link", "show", "eth0"), /macvlan/);
  tearDown(["outside"]);
}

/** Forwards a port by the list's own plugin for ports, so that `run` adds none. */
function joinList(): void {
  configure("10-list.conflist", {
    cniVersion: "1.0.0",
    name: "list",
    plugins: [
      { type: "ptp", ipam: { type: "host-local", subnet: "10.9.0.0/24" } },
      { type: "tuning", sysctl: { "net.ipv4.conf.eth0.arp_notify": "1" } },
      { type: "portmap", capabilities: { portMappings: true } },
    ],
  });
  setUp("list", [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }]);
  const [network] = JSON.parse(Deno.readTextFileSync("networks.json")).networks;
  const types = network.calls.map(({ type }: { type: string }) => type);
  assertEquals(types, ["ptp", "tuning", "portmap"]);
  const setting = inPod("cat", "/proc/sys/net/ipv4/conf/eth0/arp_notify");
  assertEquals(setting, "1\n");
  using _server = serveInPod(80);
  assertEquals(fetchFrom("127.0.0.1:8080"), "hello\n");
  tearDown();
}

/** The result that a user's plugin prints. */
const NAMES_RESULT = {
  ip4: { ip: "10.1.1.2/24" },
  dns: { nameservers: ["1.2.3.4"], search: ["a b"] },
};

function learnNameServers(): void {
  configureNames({ name: "names", type: "names" });
  configure("20-more.conf", { name: "more", type: "names" });
  const { hasResolvConf, notes } = setUp("names,more");
  assertEquals(hasResolvConf, true);
  assertEquals(notes, ["--net=more: its name servers are ignored: those of names come first"]);
  assertEquals(
    Deno.readTextFileSync("stage1/rootfs/etc/rkt-resolv.conf"),
    "# From the network names\nsearch a b\nnameserver 1.2.3.4\n",
  );
  tearDown();
}

function speakCni(): void {
  configureNames({ name: "names", type: "names" });
  setUp("names");
  tearDown();
  for (const command of ["ADD", "DEL"]) {
    assertEquals(heard(`${command}.stdin`), heard("10-names.conf"));
    assertEquals(heard(`${command}.environment`).split("\n"), [
      "CNI_ARGS=",
      `CNI_COMMAND=${command}`,
      `CNI_CONTAINERID=${UUID}`,
      "CNI_IFNAME=eth0",
      `CNI_NETNS=/var/run/netns/${POD_NETWORK}`,
      `CNI_PATH=${DIRECTORY}:/usr/lib/rkt/plugins/net:stage1/rootfs/usr/lib/rkt/plugins/net`,
      "CNI_VERSION=0.1.0",
      "",
    ]);
  }
}

function tellResult(): void {
  const configuration = { cniVersion: "0.4.0", name: "names", type: "names" };
  configureNames(configuration);
  setUp("names");
  tearDown();
  assertEquals(JSON.parse(heard("ADD.stdin")), configuration);
  assertEquals(JSON.parse(heard("DEL.stdin")), { ...configuration, prevResult: NAMES_RESULT });
}

/**
 * Writes a configuration and a user's plugin, which records its environment and input, beside it.
 */
function configureNames(configuration: unknown): void {
  const plugin = [
    "#!/bin/sh",
    `env | grep ^CNI_ | sort >${DIRECTORY}/$CNI_COMMAND.environment`,
    `cat >${DIRECTORY}/$CNI_COMMAND.stdin`,
    `echo '${JSON.stringify(NAMES_RESULT)}'`,
  ];
  configure("10-names.conf", configuration);
  Deno.writeTextFileSync(`${DIRECTORY}/names`, plugin.join("\n"), { mode: 0o755 });
}

function heard(name: string): string {
  return Deno.readTextFileSync(`${DIRECTORY}/${name}`);
}

function refuseTakenAddress(): void {
  const { podIP } = setUp("default");
  const directory = Deno.cwd();
  Deno.mkdirSync("other");
  Deno.chdir("other");
  const error = assertThrows(() => {
    setUp(`default-restricted,default:IP=${podIP}`, [], OTHER_UUID);
  });
  Deno.chdir(directory);
  assertMatch(describeError(error), /^--net=default: ptp: .*requested IP address .*172\.16\.28\.2/);
  assertEquals(must("ip", "-o", "link", "show", "type", "veth").trim().split("\n").length, 1);
  tearDown();
}

function refuseMissingPlugin(): void {
  configure("10-odd.conf", { name: "odd", type: "odd" });
  const error = assertThrows(() => setUp("odd"));
  assertMatch(describeError(error), /^--net=odd: no plugin "odd" in .*: install the CNI plugins/);
  assertNothingLeft();
}

/**
 * Takes away what a reboot takes: namespaces and rules. Taken addresses stay, as they are files.
 */
function leaveAfterRestart(): void {
  setUp("default");
  must("umount", `/run/netns/${POD_NETWORK}`);
  must("umount", "/run/netns");
  Deno.removeSync(`/run/netns/${POD_NETWORK}`);
  must("iptables", "-t", "nat", "-F");
  must("iptables", "-t", "nat", "-X");
  tearDown();
}

/** Leaves the record as it is when `run` is killed while it waits for a plugin. */
function leaveAfterKill(): void {
  const copy = "record-as-it-was";
  setUp("default", [{ hostPort: 8080, containerPort: 80, protocol: "tcp" }], UUID, () => {
    Deno.copyFileSync("networks.json", copy);
  });
  Deno.renameSync(copy, "networks.json");
  assertEquals(JSON.parse(Deno.readTextFileSync("networks.json")).networks[0].result, undefined);
  tearDown();
}

/** Leaves a network as when a plugin is killed while `run` takes the network down. */
function leaveToGc(): void {
  setUp("default");
  const killed = () => ({ status: 137, stdout: "" });
  assertEquals(tearDownBy(killed, false), ["--net=default: ptp: ended with status 137"]);
  tearDown();
}

/** @returns The networks that the pod has joined, and the pod's address on `eth0`. */
function setUp(
  net: string,
  ports: PortMapping[] = [],
  uuid = UUID,
  beforePlugin = () => {},
): JoinedNetworks & { podIP: string | undefined } {
  const files = readConfigurationFiles(DIRECTORY);
  const plan = planNetworks({ net, directory: DIRECTORY, files, ports });
  assert(plan.kind !== "host");
  using network = makeNetwork();
  const run = (program: ProgramRun) => {
    beforePlugin();
    return runProgram(program);
  };
  const setup = { uuid, network, localConfig: LOCAL_CONFIG, wantsDns: true, debug: () => {} };
  const joined = setUpNetworks(plan, { ...setup, environment: ["PATH=/bin"], run });
  return { ...joined, podIP: netInfo().find(({ ifName }) => ifName === "eth0")?.ip };
}

/** @param links Interfaces that plugins leave on purpose for the next pod. */
function tearDown(links: string[] = []): void {
  const tearDownOnce = () => tearDownBy(runProgram, true);
  assertEquals(tearDownOnce(), []);
  assertEquals(tearDownOnce(), []);
  assertNothingLeft(links);
}

function tearDownBy(run: RunProgram, isLast: boolean): string[] {
  return tearDownNetworks({ uuid: UUID, environment: [], run, isLast, debug: () => {} });
}

function assertNothingLeft(links: string[] = []): void {
  assertEquals(linkNames(), ["lo", ...links]);
  assertEquals([...Deno.readDirSync("/run/netns")], []);
  assertEquals(must("mount").match(/cni-/), null);
  const rules = must("iptables-save").split("\n").filter((line) =>
    /^-A CNI-(DN|SN|[0-9a-f])/.test(line)
  );
  assertEquals(rules, []);
  assertEquals(must("iptables-save").match(new RegExp(UUID)), null);
  assertEquals(takenAddresses(), []);
}

function linkNames(): string[] {
  const links: { ifname: string }[] = JSON.parse(must("ip", "-j", "link", "show"));
  return links.map(({ ifname }) => ifname).filter((name) =>
    !/^(ifb|sit|tunl|gre|erspan)/.test(name)
  );
}

/** Lists taken addresses: the plugin `host-local` keeps a file for each. */
function takenAddresses(): string[] {
  const networks = "/var/lib/cni/networks";
  const found = runProgram({
    path: "/usr/bin/find",
    argv: ["find", networks, "-type", "f", "-name", "[0-9]*"],
    environment: [],
    stdin: "",
  });
  return found.stdout.split("\n").filter((line) => line !== "");
}

function joinedNetworks(): [string, string][] {
  return netInfo().map(({ netName, ifName }) => [netName, ifName]);
}

function netInfo(): { netName: string; ifName: string; ip: string }[] {
  return JSON.parse(Deno.readTextFileSync("net-info.json"));
}

function configure(name: string, configuration: unknown): void {
  Deno.writeTextFileSync(`${DIRECTORY}/${name}`, JSON.stringify(configuration));
}

/** Greets every client in the pod's network until it is disposed of. */
function serveInPod(port: number): Disposable {
  const args = ["netns", "exec", POD_NETWORK];
  const server = ["busybox", "nc", "-ll", "-p", String(port), "-e", "echo", "hello"];
  const child = new Deno.Command("ip", { args: [...args, ...server], stdin: "null" }).spawn();
  for (let attempt = 0; attempt < PATIENCE.attempts; attempt++) {
    if (inPod("busybox", "netstat", "-ltn").includes(`:${port} `)) break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PATIENCE.milliseconds);
  }
  return { [Symbol.dispose]: () => child.kill("SIGKILL") };
}

function fetchFrom(address: string): string {
  const [host = "", port = ""] = address.split(":");
  return must("busybox", "nc", "-w", "3", host, port);
}

function inPod(...argv: string[]): string {
  return must("ip", "netns", "exec", POD_NETWORK, ...argv);
}

function must(program: string, ...args: string[]): string {
  const { code, stdout, stderr } = new Deno.Command(program, { args, stdin: "null" }).outputSync();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code === 0) return text(stdout);
  throw new Error(`${program} ${args.join(" ")}: exit code ${code}: ${text(stderr)}`);
}

function runProgram({ path, argv, environment, stdin }: ProgramRun): ProgramEnd {
  const input = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(input, stdin);
    const { code, stdout, stderr } = new Deno.Command("/bin/sh", {
      args: ["-c", 'input=$1; shift; exec "$0" "$@" <"$input"', path, input, ...argv.slice(1)],
      clearEnv: true,
      env: Object.fromEntries(environment.map((variable) => {
        const at = variable.indexOf("=");
        return [variable.slice(0, at), variable.slice(at + 1)];
      })),
    }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { status: code, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    Deno.removeSync(input);
  }
}

/** The directory of rkt's own plugins, which would be found before the distribution's. */
const RKT_DIRECTORY = "/usr/lib/rkt";

/** Mounts empty file systems where networks could leave or find files. */
function prepareHost(): void {
  const hidden = existsSync(RKT_DIRECTORY) ? [RKT_DIRECTORY] : [];
  for (const directory of ["/run", "/var/lib", ...hidden]) {
    must("mount", "-t", "tmpfs", "tmpfs", directory);
  }
  must("ip", "link", "set", "lo", "up");
  Deno.mkdirSync(DIRECTORY, { recursive: true });
  Deno.mkdirSync("stage1/rootfs", { recursive: true });
}

if (import.meta.main) {
  const name = Deno.args[0] ?? "";
  const test = CASES[name];
  if (test === undefined) throw new Error(`no case ${JSON.stringify(name)}`);
  prepareHost();
  test();
}
