import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { readNetworkLink } from "./network_link.ts";

Deno.test("readNetworkLink() finds an interface by its name and by its number", () => {
  const loopback = readNetworkLink("lo");
  assertEquals(loopback, { name: "lo", kind: "", link: undefined });
  assertEquals(readNetworkLink(1), loopback);
});

Deno.test("readNetworkLink() finds no interface that is not there", () => {
  assertEquals(readNetworkLink("nowhere"), undefined);
  assertEquals(readNetworkLink(0x7fff_ffff), undefined);
});
