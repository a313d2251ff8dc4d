import "./libc_testing.ts";
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { AT_FDCWD, Fd, isOpen, readKernelFile, readLinkAt, statFd, statPath } from "./file.ts";
import { inNetwork, makeNetwork } from "./namespaces.ts";
import { LOOPBACK, setInterfaceUp } from "./network_interface.ts";

const root = { ignore: Deno.uid() !== 0 };
const OWN = "/proc/thread-self/ns/net";

function ownNetwork(): string {
  return readLinkAt(AT_FDCWD, OWN);
}

/** Whether there is a route to the loopback address, which an interface that is down does not have. */
function isLocalhostReachable(): boolean {
  return readKernelFile("/proc/thread-self/net/fib_trie").includes("127.0.0.1");
}

Deno.test("makeNetwork() makes another network, and stays where it is", root, () => {
  const before = ownNetwork();
  using network = makeNetwork();
  assertNotEquals(statFd(network).identity, statPath(OWN).identity);
  assertEquals(ownNetwork(), before);
});

Deno.test("inNetwork() is there, and comes back also when what it does fails", root, () => {
  using network = makeNetwork();
  const before = ownNetwork();
  assertEquals(inNetwork(network, () => statPath(OWN).identity), statFd(network).identity);
  assertEquals(ownNetwork(), before);
  assertThrows(
    () =>
      inNetwork(network, () => {
        throw new Error("no");
      }),
    Error,
    "no",
  );
  assertEquals(ownNetwork(), before);
});

Deno.test("inNetwork() refuses what is no network, and leaves nothing open", root, () => {
  using directory = makeNetwork();
  const next = directory.number + 1;
  assertThrows(() => inNetwork(new Fd(0), () => {}), Error, "setns()");
  assertEquals(isOpen(next), false);
});

Deno.test("setInterfaceUp() gives a new network its loopback address", root, () => {
  using network = makeNetwork();
  inNetwork(network, () => {
    assertEquals(isLocalhostReachable(), false);
    setInterfaceUp(LOOPBACK);
    assertEquals(isLocalhostReachable(), true);
  });
});

Deno.test("setInterfaceUp() says that there is no such interface", root, () => {
  assertThrows(() => setInterfaceUp("a-name-longer-than-any"), Error, "ENODEV");
});
