import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { type Fd, keepAcrossExec } from "./fd.ts";
import { syscall } from "./libc.ts";
import {
  acceptConnection,
  closeAll,
  connectToListener,
  listenForConnections,
  peerUser,
  receiveMessage,
  sendMessage,
} from "./message_socket.ts";
import { O_DIRECTORY, O_PATH, openFile } from "./open.ts";
import { makePipe } from "./pipe.ts";
import { statFd } from "./stat.ts";
import { decodeText, encodeText } from "./text.ts";

const F_GETFD = 1;
const FD_CLOEXEC = 1;
const LIMITS = { bytes: 100, fds: 4 };

/** Calls a function with the path of a socket that listens. */
function listening(act: (path: string, listener: Fd) => void, backlog = 2): void {
  const directory = Deno.makeTempDirSync({ prefix: "volo-message-" });
  try {
    using listener = listenForConnections(`${directory}/socket`, 0o600, backlog);
    act(`${directory}/socket`, listener);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Calls a function with both ends of a connection. */
function connected(act: (client: Fd, server: Fd) => void): void {
  listening((path, listener) => {
    using client = connectToListener(path, 100);
    using server = acceptConnection(listener)!;
    act(client, server);
  });
}

function descriptorFlags(fd: number): number {
  return syscall("fcntl", fd, F_GETFD, 0);
}

/** The descriptors of this process. */
function descriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).sort();
}

Deno.test("a message comes whole, in order, and nobody waits for one", () =>
  connected((client, server) => {
    assertEquals(receiveMessage(server, LIMITS), undefined);
    assertEquals(sendMessage(client, encodeText("one")), true);
    assertEquals(sendMessage(client, encodeText("two")), true);
    assertEquals(receiveMessage(server, LIMITS), { bytes: encodeText("one"), fds: [] });
    assertEquals(receiveMessage(server, LIMITS), { bytes: encodeText("two"), fds: [] });
    assertEquals(receiveMessage(server, LIMITS), undefined);
    assertEquals(sendMessage(server, encodeText("back")), true);
    assertEquals(receiveMessage(client, LIMITS), { bytes: encodeText("back"), fds: [] });
  }));

Deno.test("descriptors come with a message, in order, and are closed at exec", () =>
  connected((client, server) => {
    using root = openFile("/", O_PATH | O_DIRECTORY);
    const pipe = makePipe();
    using readEnd = pipe.readEnd;
    using writeEnd = pipe.writeEnd;
    keepAcrossExec(root.number);
    sendMessage(client, encodeText("these"), [root, readEnd, writeEnd]);
    const message = receiveMessage(server, LIMITS);
    if (typeof message !== "object") throw new Error(`no message, but ${message}`);
    assertEquals(decodeText(message.bytes), "these");
    assertEquals(message.fds.map((fd) => statFd(fd).identity), [
      statFd(root).identity,
      statFd(readEnd).identity,
      statFd(writeEnd).identity,
    ]);
    const flags = message.fds.map(({ number }) => descriptorFlags(number));
    assertEquals(flags, [FD_CLOEXEC, FD_CLOEXEC, FD_CLOEXEC]);
    closeAll(message.fds);
  }));

Deno.test("a message that is too long or has too many descriptors leaves none open", () =>
  connected((client, server) => {
    using root = openFile("/", O_PATH | O_DIRECTORY);
    const before = descriptors();
    sendMessage(client, new Uint8Array(101), [root]);
    assertEquals(receiveMessage(server, LIMITS), "too much");
    for (const count of [5, 6, 64, 253]) {
      sendMessage(client, encodeText("many"), Array(count).fill(root));
      assertEquals(receiveMessage(server, LIMITS), "too much");
    }
    // An odd limit has room for one more, as room is in whole words.
    sendMessage(client, encodeText("many"), Array(4).fill(root));
    assertEquals(receiveMessage(server, { ...LIMITS, fds: 3 }), "too much");
    sendMessage(client, encodeText("after"));
    assertEquals(receiveMessage(server, LIMITS), { bytes: encodeText("after"), fds: [] });
    assertEquals(descriptors(), before);
  }));

Deno.test("a message of no bytes is an end, and what came with it is closed", () =>
  connected((client, server) => {
    using root = openFile("/", O_PATH | O_DIRECTORY);
    const before = descriptors();
    sendMessage(client, new Uint8Array(0), [root]);
    assertEquals(receiveMessage(server, LIMITS), "end");
    assertEquals(descriptors(), before);
  }));

Deno.test("what was sent before the end is still received, and the end is told", () =>
  listening((path, listener) => {
    const client = connectToListener(path, 100);
    using server = acceptConnection(listener)!;
    sendMessage(client, encodeText("last"));
    client[Symbol.dispose]();
    assertEquals(receiveMessage(server, LIMITS), { bytes: encodeText("last"), fds: [] });
    assertEquals(receiveMessage(server, LIMITS), "end");
    assertThrows(() => sendMessage(server, encodeText("nobody")), Error, "EPIPE");
  }));

Deno.test("who sends to one who takes nothing does not wait", () =>
  connected((client, server) => {
    let count = 0;
    while (sendMessage(client, new Uint8Array(60_000))) count++;
    assertEquals(count > 1, true);
    assertEquals(typeof receiveMessage(server, { bytes: 64 * 1024, fds: 0 }), "object");
    assertEquals(sendMessage(client, encodeText("a place is free")), true);
  }));

Deno.test("a socket is for whom its mode says, and tells who has connected", () =>
  listening((path, listener) => {
    assertEquals(Deno.statSync(path).mode! & 0o7777, 0o600);
    assertEquals(acceptConnection(listener), undefined);
    using _client = connectToListener(path, 100);
    using server = acceptConnection(listener)!;
    assertEquals(peerUser(server), Deno.uid());
  }));

Deno.test("a connection that finds no room is waited for as long as it says", () => {
  listening((path) => {
    using _first = connectToListener(path, 0);
    const begin = performance.now();
    assertThrows(() => connectToListener(path, 200), Error, "EAGAIN");
    assertEquals(performance.now() - begin >= 150, true);
  }, 0);
});

Deno.test("where nobody listens, nobody connects", () => {
  assertThrows(() => connectToListener("/nowhere/socket", 100), Error, "ENOENT");
  const directory = Deno.makeTempDirSync({ prefix: "volo-message-" });
  listenForConnections(`${directory}/socket`, 0o600, 1)[Symbol.dispose]();
  assertThrows(() => connectToListener(`${directory}/socket`, 100), Error, "ECONNREFUSED");
  Deno.removeSync(directory, { recursive: true });
});
