import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { isPortTaken } from "./socket_address.ts";

Deno.test("isPortTaken() sees who listens, at each address alone", () => {
  using server = Deno.listen({ hostname: "127.0.0.2", port: 0 });
  const { port } = server.addr;
  assertEquals(isPortTaken("tcp", "127.0.0.2", port), true);
  assertEquals(isPortTaken("tcp", "0.0.0.0", port), true);
  assertEquals(isPortTaken("tcp", "127.0.0.3", port), false);
});

Deno.test("isPortTaken() cannot tell of an address that the host does not have", () => {
  assertEquals(isPortTaken("udp", "192.0.2.1", 8080), undefined);
});
