import { assertEquals } from "@std/assert";
import { formatNetInfo } from "./net_info.ts";
import { readResult } from "./result.ts";

function joined(result: unknown) {
  return {
    name: "lan",
    source: "/etc/rkt/net.d/10-lan.conf",
    pluginPath: "/usr/lib/rkt/plugins/net/ptp",
    ifName: "eth0",
    args: "MTU=1400",
    result: readResult(JSON.stringify(result), "ptp"),
  };
}

Deno.test("net-info.json has the fields that rkt reads, and no others", () => {
  const ips = [{ address: "fd00::5/64" }, { address: "10.1.0.5/20" }, { address: "10.2.0.5/8" }];
  const [entry] = JSON.parse(formatNetInfo([joined({ ips })]));
  assertEquals(entry, {
    netName: "lan",
    netConf: "/etc/rkt/net.d/10-lan.conf",
    pluginPath: "/usr/lib/rkt/plugins/net/ptp",
    ifName: "eth0",
    ip: "10.1.0.5",
    args: "MTU=1400",
    mask: "255.255.240.0",
  });
});

Deno.test("a network that gave no IPv4 address is told with none", () => {
  const [entry] = JSON.parse(formatNetInfo([joined({})]));
  assertEquals([entry.ip, entry.mask], ["", ""]);
});
