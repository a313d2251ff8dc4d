import "./libc_testing.ts";
import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { AT_FDCWD, Fd, isOpen } from "./fd.ts";
import { syscall } from "./libc.ts";
import {
  attachTree,
  cloneTree,
  detachMount,
  makeTmpfs,
  pivotRoot,
  setPropagation,
} from "./mount.ts";
import {
  changeRoot,
  inMounts,
  inNetwork,
  inOwnMounts,
  makeNetwork,
  namespaceIdentity,
  openNamespace,
} from "./namespaces.ts";
import { LOOPBACK, setInterfaceUp } from "./network_interface.ts";
import { O_DIRECTORY, O_PATH, openFile } from "./open.ts";
import { readLinkAt } from "./path.ts";
import { readKernelFile } from "./read_write.ts";
import { statFd, statPath } from "./stat.ts";

const root = { ignore: Deno.uid() !== 0 };
const OWN = "/proc/thread-self/ns/net";

function ownNetwork(): string {
  return readLinkAt(AT_FDCWD, OWN);
}

/** Whether there is a route to the loopback address: there is none while the interface is down. */
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

/** A mount namespace that begins in a file system of its own, and that file system. */
function makeMounts(): { mounts: Fd; root: Fd } {
  return inOwnMounts(() => {
    const mounts = openNamespace("thread-self", "mnt");
    setPropagation("/", "private", true);
    const root = makeTmpfs({});
    using place = openFile("/tmp", O_PATH | O_DIRECTORY);
    attachTree(root, place);
    pivotRoot(root);
    return { mounts, root };
  });
}

Deno.test("inMounts() is in the root of another namespace, and comes back", root, () => {
  const whereabouts =
    () => [namespaceIdentity("thread-self", "mnt"), statPath("/").identity, Deno.cwd()];
  const before = whereabouts();
  const { mounts, root } = makeMounts();
  using _mounts = mounts;
  using _root = root;
  assertEquals(whereabouts(), before);
  const there = inMounts(mounts, () => [statPath("/").identity, statPath(".").identity]);
  assertEquals(there, [statFd(root).identity, statFd(root).identity]);
  assertEquals(whereabouts(), before);
  assertThrows(() => inMounts(mounts, () => statPath("/etc")), Error, "ENOENT");
  assertEquals(whereabouts(), before);
});

Deno.test("who has come back has the root that its caller gave it", root, () => {
  const directory = Deno.makeTempDirSync();
  using before = openFile("/", O_PATH | O_DIRECTORY);
  using work = openFile(".", O_PATH | O_DIRECTORY);
  using place = openFile(directory, O_PATH | O_DIRECTORY);
  using tree = cloneTree("/", true);
  attachTree(tree, place);
  try {
    changeRoot(tree);
    inOwnMounts(() => {});
    assertEquals(statPath("/").mountId, statFd(tree).mountId);
  } finally {
    changeRoot(before);
    syscall("fchdir", work.number);
    setPropagation(directory, "private", true);
    detachMount(directory);
    Deno.removeSync(directory);
  }
});

Deno.test("namespaceIdentity() has none of a process that is not there", () => {
  assertEquals(namespaceIdentity(Deno.pid, "mnt"), namespaceIdentity("thread-self", "mnt"));
  assertEquals(namespaceIdentity(0x7fff_ffff, "mnt"), undefined);
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
