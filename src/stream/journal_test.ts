import "../linux/libc_testing.ts";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import { makeDatagramSocket } from "../linux/datagram.ts";
import type { Fd } from "../linux/fd.ts";
import { waitForEvents } from "../linux/poll.ts";
import { readAvailable } from "../linux/stream.ts";
import { bindSocket } from "../linux/unix_address.ts";
import { Journal } from "./journal.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

/** A journal's socket at a path of its own, and what the pod's end has said. */
function withJournal(act: (journal: Journal, socket: Fd, said: string[]) => void) {
  const directory = Deno.makeTempDirSync({ prefix: "volo-journal-" });
  try {
    const path = `${directory}/socket`;
    using socket = makeDatagramSocket();
    bindSocket(socket, path, 0o666);
    const said: string[] = [];
    using journal = new Journal((text) => said.push(text), path);
    act(journal, socket, said);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Reads what has been sent. */
function receive(socket: Fd): string[] {
  const all: string[] = [];
  for (;;) {
    const datagram = readAvailable(socket.number, 65_536);
    if (datagram === undefined) return all;
    all.push(new TextDecoder().decode(datagram));
  }
}

function put(journal: Journal, entries: readonly string[]): void {
  for (const entry of entries) journal.put(bytes(entry));
  journal.flush();
}

Deno.test("a host without a journal is told, with its path", () => {
  assertThrows(() => new Journal(() => {}, "/nowhere/socket"), Error, "/nowhere/socket");
});

Deno.test("each entry is a datagram", () => {
  withJournal((journal, socket, said) => {
    put(journal, ["one", "two"]);
    assertEquals(receive(socket), ["one", "two"]);
    assertEquals([journal.isWaiting, journal.interests().length, said.length], [false, 0, 0]);
  });
});

Deno.test("what a journal that is full does not take waits, and has the apps wait", () => {
  withJournal((journal, socket, said) => {
    const entries = Array.from({ length: 2000 }, (_, i) => `${i} ${"x".repeat(100)}`);
    put(journal, entries);
    assertEquals([journal.isWaiting, journal.hasRoom], [true, false]);
    assertEquals(waitForEvents(journal.interests(), 0), []);
    const received: string[] = [];
    while (journal.isWaiting) {
      received.push(...receive(socket));
      assertEquals(waitForEvents(journal.interests(), 1000).length, 1);
      journal.flush();
    }
    assertEquals([...received, ...receive(socket)], entries);
    assertEquals([journal.hasRoom, said], [true, []]);
  });
});

Deno.test("after a restart entries are sent again, and what is lost is said once", () => {
  const directory = Deno.makeTempDirSync({ prefix: "volo-journal-" });
  try {
    const path = `${directory}/socket`;
    const bind = () => {
      const socket = makeDatagramSocket();
      bindSocket(socket, path, 0o666);
      return socket;
    };
    const first = bind();
    const said: string[] = [];
    using journal = new Journal((text) => said.push(text), path);
    first[Symbol.dispose]();
    put(journal, ["lost", "lost"]);
    assertEquals(said.length, 1);
    assertMatch(said[0]!, /^the journal has gaps: sendto\(\): ECONNREFUSED/);
    Deno.removeSync(path);
    put(journal, ["lost"]);
    using second = bind();
    put(journal, ["one", "two"]);
    assertEquals(receive(second), ["one", "two"]);
    // Nobody could wait for this socket to have room: what it does not take is lost.
    put(journal, Array.from({ length: 2000 }, (_, i) => `${i}`));
    assertEquals([journal.isWaiting, journal.hasRoom], [false, true]);
    assertEquals(receive(second)[0], "0");
    assertEquals(said.length, 1);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
});
