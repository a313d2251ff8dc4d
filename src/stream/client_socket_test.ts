import "../linux/libc_testing.ts";
import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import type { Fd } from "../linux/fd.ts";
import { doNotWait, makeSocketPair, readAvailable, writeAvailable } from "../linux/stream.ts";
import { ClientSocket, HOLD_UP } from "./client_socket.ts";

const MEBIBYTE = 1024 * 1024;
const BLOCK = 64 * 1024;
const bytes = (text: string): Bytes => new TextEncoder().encode(text);

interface Made {
  socket: ClientSocket;
  client: Fd;
  /** Closes the client's end. */
  leave: () => void;
  /** What the client was told that it has lost. */
  lost: number[];
  clock: { now: number };
}

function withSocket(act: (made: Made) => void): void {
  const [own, client] = makeSocketPair();
  for (const end of [own, client]) doNotWait(end);
  using clients = new DisposableStack();
  clients.use(client);
  const lost: number[] = [];
  const clock = { now: 1000 };
  const ways = { isInput: true, isOutput: true };
  using socket = new ClientSocket(own, ways, () => clock.now, (count) => lost.push(count));
  act({ socket, client, leave: () => clients.dispose(), lost, clock });
}

/** Reads all that is there, and returns how many bytes that are. */
function readAll(client: Fd): number {
  let count = 0;
  for (let it = readAvailable(client.number, BLOCK); it?.length;) {
    count += it.length;
    it = readAvailable(client.number, BLOCK);
  }
  return count;
}

/** Puts blocks until the socket takes no more. */
function fill({ socket }: Made): number {
  let count = 0;
  for (; socket.hasRoom; count += BLOCK) socket.put(new Uint8Array(BLOCK));
  return count;
}

Deno.test("what an app writes reaches a client as it is", () => {
  withSocket(({ socket, client }) => {
    const binary = Uint8Array.of(0, 255, 27, 10, 0xc3);
    socket.put(binary);
    assertEquals(readAvailable(client.number, 10), binary);
    assert(!socket.isWaiting);
  });
});

Deno.test("a client whose buffer is full holds the app up for a moment, and then loses output", () => {
  withSocket((made) => {
    const { socket, client, lost, clock } = made;
    const kept = fill(made);
    assertEquals(socket.dueIn, HOLD_UP);
    clock.now += HOLD_UP - 1;
    assert(!socket.hasRoom);
    clock.now += 1;
    for (let count = 0; count < 100 * MEBIBYTE; count += BLOCK) {
      assert(socket.hasRoom);
      socket.put(new Uint8Array(BLOCK));
    }
    assertEquals(lost, []);
    let read = 0;
    while (socket.isWaiting) {
      read += readAll(client);
      socket.flush();
    }
    assertEquals([read + readAll(client), ...lost], [kept, 100 * MEBIBYTE]);
  });
});

Deno.test("a client that reads in time loses nothing", () => {
  withSocket((made) => {
    const { socket, client, lost, clock } = made;
    let [put, read] = [0, 0];
    for (let round = 0; round < 20; round++) {
      put += fill(made);
      clock.now += HOLD_UP - 1;
      read += readAll(client);
      socket.flush();
    }
    while (socket.isWaiting) {
      read += readAll(client);
      socket.flush();
    }
    assertEquals([read + readAll(client), lost], [put, []]);
  });
});

Deno.test("a client that has gone holds nobody up", () => {
  withSocket((made) => {
    fill(made);
    made.leave();
    made.socket.flush();
    assert(made.socket.hasRoom && !made.socket.isWaiting);
    assertEquals(made.socket.interests(false), []);
    made.socket.put(bytes("more"));
    made.socket.giveUp();
    assertEquals(made.lost, []);
  });
});

Deno.test("input ends behind its last byte, and only where the client has said so", () => {
  withSocket(({ socket, client, leave }) => {
    writeAvailable(client.number, bytes("last"));
    socket.endInput();
    assertEquals(socket.read(), bytes("last"));
    assertEquals([socket.read(), socket.read()], ["end", undefined]);
    assert(!socket.isEnding);
    leave();
  });
  withSocket(({ socket, client, leave }) => {
    writeAvailable(client.number, bytes("last"));
    leave();
    assertEquals([socket.read(), socket.read()], [bytes("last"), undefined]);
    assertEquals(socket.interests(true), []);
  });
});

Deno.test("what cannot be sent in time is counted as lost", () => {
  withSocket((made) => {
    const put = fill(made);
    const sent = readAll(made.client);
    made.socket.giveUp();
    assertEquals(made.lost, [put - sent]);
    assert(!made.socket.isWaiting);
  });
});
