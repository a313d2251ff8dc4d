import { assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import { DAMAGE, isOneLine, spoil } from "../appc/manifest_testing.ts";
import { readConfiguration } from "../plan/network/configuration.ts";
import { planNetworks } from "../plan/network/networks.ts";
import { readRecord } from "./record.ts";
import { formatResult, readResult } from "./result.ts";

/** How many texts of each kind are tried in all. */
const RUNS = Deno.env.get("VOLO_FUZZ") === "full" ? 50_000 : 1_000;

const LIST = {
  cniVersion: "1.0.0",
  name: "list",
  plugins: [
    { type: "bridge", ipMasq: true, ipam: { type: "host-local", subnet: "10.0.0.0/8" } },
    { type: "portmap", capabilities: { portMappings: true } },
  ],
};

const OLD_RESULT = {
  cniVersion: "0.2.0",
  ip4: { ip: "10.0.0.2/24", gateway: "10.0.0.1", routes: [{ dst: "0.0.0.0/0" }] },
  ip6: { ip: "fd00::2/64" },
  dns: { nameservers: ["10.0.0.1"], domain: "lan", search: ["lan"], options: ["rotate"] },
};

const RESULT = {
  cniVersion: "1.0.0",
  interfaces: [{ name: "veth1" }, { name: "eth0", mac: "0a:58", sandbox: "/run/netns/x" }],
  ips: [{ interface: 1, address: "10.0.0.2/24", gateway: "10.0.0.1" }],
  routes: [{ dst: "0.0.0.0/0", gw: "10.0.0.1" }],
  dns: {},
};

const RECORD = {
  searchPath: "/a:/b",
  networks: [{
    name: "default",
    ifName: "eth0",
    args: "",
    calls: [{ type: "ptp", path: "/a/ptp", cniVersion: "0.1.0", configuration: "{}" }],
    result: "{}",
  }],
};

function readFile(text: string): string[] | undefined {
  const file = { path: "10-list.conflist", text };
  const { name } = readConfiguration(file);
  const ports = [{ hostPort: 80, containerPort: 8080, protocol: "tcp" } as const];
  if (/[,:]|^(all|host|none)$/.test(name)) return undefined;
  const plan = planNetworks({ net: name, directory: "/net.d", files: [file], ports });
  if (plan.kind !== "contained") throw new Error(`10-list.conflist: a plan of kind ${plan.kind}`);
  return plan.networks[0]!.calls.map(({ configuration }) => JSON.parse(configuration).type);
}

function readAnswer(text: string): string[] {
  const result = readResult(text, "ptp");
  assertEquals(readResult(JSON.stringify(formatResult(result)), "ptp").addresses, result.addresses);
  return result.addresses.map(({ ip, prefixLength }) => `${ip}/${prefixLength}`);
}

/** A kind of text, with a right one, and what is read from that. */
interface Kind {
  kind: string;
  value: unknown;
  read: (text: string) => unknown;
  found: unknown;
  /** How an error of it begins. */
  origin: RegExp;
}

const KINDS: Kind[] = [
  {
    kind: "configuration",
    value: LIST,
    read: readFile,
    found: ["bridge", "portmap"],
    origin: /^10-list\.conflist: /,
  },
  {
    kind: "result of the first versions",
    value: OLD_RESULT,
    read: readAnswer,
    found: ["10.0.0.2/24", "fd00::2/64"],
    origin: /^ptp: /,
  },
  { kind: "result", value: RESULT, read: readAnswer, found: ["10.0.0.2/24"], origin: /^ptp: / },
  { kind: "record", value: RECORD, read: readRecord, found: RECORD, origin: /^networks\.json: / },
];

function check(read: (text: string) => unknown, text: string, origin: RegExp): void {
  try {
    read(text);
  } catch (error) {
    assertInstanceOf(error, Error);
    assertEquals(error.constructor, Error);
    assertEquals(
      [origin.test(error.message), isOneLine(error.message)],
      [true, true],
      error.message,
    );
  }
}

for (const { kind, value, read, found, origin } of KINDS) {
  Deno.test(`a ${kind} that is right is read`, () => {
    assertEquals(read(JSON.stringify(value)), found);
  });

  Deno.test(`a ${kind} however spoilt is read, or refused in one line`, () => {
    fc.assert(
      fc.property(fc.array(DAMAGE, { minLength: 1, maxLength: 4 }), (damages) => {
        check(read, JSON.stringify(damages.reduce(spoil, value)) ?? "", origin);
      }),
      { numRuns: RUNS * 0.8 },
    );
  });

  Deno.test(`a ${kind} that is cut or garbled is refused in one line`, () => {
    const text = JSON.stringify(value);
    const place = fc.nat(text.length);
    fc.assert(
      fc.property(place, place, fc.string({ unit: "binary" }), (start, end, garbage) => {
        check(read, text.slice(0, start) + garbage + text.slice(end), origin);
      }),
      { numRuns: RUNS * 0.2 },
    );
  });
}
