import { assertEquals } from "@std/assert";
import type { PortMapping } from "./forwarded_ports.ts";
import { findPortConflicts, type PortRecord } from "./port_records.ts";

const HTTP: PortMapping = { protocol: "tcp", hostPort: 80, containerPort: 8080 };

function record(pod: string, port: PortRecord["ports"][number], network = "4 1"): PortRecord {
  return { pod, directory: `/pods/${pod}`, network, ports: [port] };
}

function conflicts(wanted: PortMapping[], ...records: PortRecord[]): [number, string][] {
  return findPortConflicts(wanted, "4 1", records).map(({ index, other }) => [index, other.pod]);
}

Deno.test("a port is another pod's where protocol, number and an address are the same", () => {
  const local = { protocol: "tcp", hostPort: 80, hostIP: "127.0.0.1" } as const;
  const outer = { protocol: "tcp", hostPort: 80, hostIP: "10.0.0.1" } as const;
  assertEquals(conflicts([HTTP], record("a", local), record("b", outer)), [[0, "a"], [0, "b"]]);
  assertEquals(conflicts([{ ...HTTP, hostIP: "10.0.0.1" }], record("a", local)), []);
  assertEquals(conflicts([{ ...HTTP, protocol: "udp" }], record("a", local)), []);
  assertEquals(conflicts([{ ...HTTP, hostPort: 81 }, HTTP], record("a", local)), [[1, "a"]]);
});

Deno.test("a port in another network of the host's is another port", () => {
  assertEquals(conflicts([HTTP], record("a", HTTP, "4 2")), []);
});
