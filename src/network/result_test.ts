import { assertEquals, assertThrows } from "@std/assert";
import { formatResult, readResult } from "./result.ts";

function read(result: unknown) {
  return readResult(JSON.stringify(result), "ptp");
}

Deno.test("a result of the first versions has an address of each family, with its routes", () => {
  const { addresses, routes } = read({
    cniVersion: "0.2.0",
    ip4: { ip: "10.0.0.2/24", gateway: "10.0.0.1", routes: [{ dst: "0.0.0.0/0" }] },
    ip6: { ip: "fd00::2/64", routes: [{ dst: "::/0", gw: "fd00::1" }] },
  });
  assertEquals(addresses, [
    { ip: "10.0.0.2", prefixLength: 24, version: 4, gateway: "10.0.0.1" },
    { ip: "fd00::2", prefixLength: 64, version: 6, gateway: undefined },
  ]);
  assertEquals(routes, [{ dst: "0.0.0.0/0", gw: undefined }, { dst: "::/0", gw: "fd00::1" }]);
});

Deno.test("addresses of interfaces that are not in the pod are none of the pod's", () => {
  const { addresses } = read({
    cniVersion: "1.0.0",
    interfaces: [{ name: "veth1" }, { name: "eth0", sandbox: "/run/netns/x" }],
    ips: [
      { interface: 0, address: "10.0.0.1/24" },
      { interface: 1, address: "10.0.0.2/24" },
      { address: "10.0.1.2/24" },
    ],
  });
  assertEquals(addresses.map(({ ip }) => ip), ["10.0.0.2", "10.0.1.2"]);
});

Deno.test("a result may have nothing in it", () => {
  const dns = { nameservers: [], domain: "", search: [], options: [] };
  assertEquals(read({}), { addresses: [], routes: [], dns });
  assertEquals(read({ ip4: null, dns: { domain: "lan" } }).dns, { ...dns, domain: "lan" });
});

Deno.test("a result survives the way through the form of the chain", () => {
  const result = read({
    ip4: { ip: "10.0.0.2/24", gateway: "10.0.0.1", routes: [{ dst: "0.0.0.0/0" }] },
    ip6: { ip: "fd00::2/64" },
    dns: { nameservers: ["10.0.0.1"], search: ["lan"], domain: "lan", options: ["rotate"] },
  });
  assertEquals(read(formatResult(result)), result);
});

const REFUSED: [result: unknown, why: string][] = [
  ["ok", "expected a JSON object, received string"],
  [{ ip4: { ip: "10.0.0.2" } }, 'ip4.ip: "10.0.0.2" is not an address with its prefix\'s length'],
  [{ ip4: { ip: "10.0.0.256/8" } }, "ip4.ip: "],
  [{ ips: [{ address: "10.0.0.2/33" }] }, "ips[0].address: "],
  [{ ips: [{ address: "fd00::1::2/64" }] }, "ips[0].address: "],
  [{ ips: [{ address: "fd00::1/129" }] }, "ips[0].address: "],
  [{ ips: [{}] }, "ips[0].address: missing"],
  [{ ips: [{ interface: -1, address: "10.0.0.2/8" }] }, "ips[0].interface: -1 is not a whole"],
  [{ ip4: { ip: "10.0.0.2/8", gateway: "gw" } }, 'ip4.gateway: "gw" is not an address'],
  [{ routes: [{ gw: "10.0.0.1" }] }, "routes[0].dst: missing"],
  [{ dns: { nameservers: [1] } }, "dns.nameservers[0]: expected string, received number"],
];

for (const [result, why] of REFUSED) {
  Deno.test(`a result is refused: ${JSON.stringify(result)}`, () => {
    assertThrows(() => read(result), Error, `ptp: ${why}`);
  });
}
