import "../linux/libc_testing.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import { asBytes, type Bytes } from "../linux/bytes.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { syscall } from "../linux/libc.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { waitForEvents } from "../linux/poll.ts";
import { doNotWait, readAvailable, writeAvailable } from "../linux/stream.ts";
import { openPty, windowSize } from "../linux/terminal.ts";
import type { StdioPlan } from "../plan/stdio.ts";
import type { Endpoint } from "../stage1/arguments.ts";
import { AttachableApp } from "./attachable_app.ts";

const RLIMIT_NOFILE = 7;

const STREAMS: StdioPlan = { stdin: "stream", stdout: "stream", stderr: "stream" };
const TERMINAL: StdioPlan = { stdin: "tty", stdout: "tty", stderr: "tty" };

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes | undefined) => bytes && new TextDecoder().decode(bytes);
const readFrom = (fd: Fd | undefined) => text(readAvailable(fd!.number, 65_536));

/** A client, and what it has been told. */
function attach(
  app: AttachableApp,
  endpoints: Endpoint[],
  size?: { rows: number; columns: number },
) {
  const told: (number | "ended")[] = [];
  const attachment = app.attach({ endpoints, size }, {
    lost: (bytes) => told.push(bytes),
    ended: () => told.push("ended"),
  });
  return { ...attachment, told, socket: attachment.sockets };
}

function started(stdio: StdioPlan): AttachableApp {
  const app = new AttachableApp("web", stdio);
  app.prepare();
  app.started();
  return app;
}

/** What the supervisor does, as long as there is something to do at once. */
function settle(app: AttachableApp): void {
  for (;;) {
    const ready = waitForEvents(app.interests(), 0);
    if (ready.length === 0) return;
    app.onReady(new Set(ready.map(({ fd }) => fd)));
  }
}

Deno.test("an app is attached to while it runs, through every start of it", () => {
  const app = new AttachableApp("web", STREAMS);
  const refused = () => assertThrows(() => app.endpoints(), Error, 'app "web" does not run');
  refused();
  for (let run = 0; run < 2; run++) {
    app.prepare();
    refused();
    app.started();
    assertEquals(app.endpoints(), ["stdin", "stdout", "stderr"]);
    app.ended();
    refused();
  }
});

Deno.test("an app that does not run is said to have ended, or to have yet to start", () => {
  const app = new AttachableApp("web", STREAMS);
  const refused = (why: string) =>
    assertThrows(() => attach(app, ["stdin"]), Error, `app "web" does not run: ${why}`);
  refused("it has yet to start");
  // So begins every start of an app.
  app.ended();
  app.prepare();
  refused("it has yet to start");
  app.started();
  app.ended();
  refused("it has ended");
});

Deno.test("where descriptors are short, a client is refused, and has taken none", () => {
  using app = started(STREAMS);
  let failures = 0;
  const enough = Math.max(...openDescriptors().map(Number)) + 20;
  for (let limit = 3; limit < enough; limit++) {
    const before = openDescriptors();
    try {
      withDescriptorsBelow(limit, () => attach(app, ["stdin", "stdout", "stderr"])).detach();
    } catch (error) {
      const { message, cause } = error as Error;
      assertEquals(message, 'app "web": no streams can be made for one more client');
      assert(failedWith(cause, "EMFILE"), `${cause}`);
      assertEquals(openDescriptors(), before);
      failures++;
      continue;
    }
    assert(failures > 3);
    return;
  }
  throw new Error("nobody could attach");
});

function openDescriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).sort();
}

/** Calls a function while this process opens no descriptor from a number on. */
function withDescriptorsBelow<T>(limit: number, act: () => T): T {
  const limits = new BigUint64Array(2);
  syscall("prlimit64", 0, RLIMIT_NOFILE, null, asBytes(limits));
  syscall("prlimit64", 0, RLIMIT_NOFILE, [limit, limits[1]!], null);
  try {
    return act();
  } finally {
    syscall("prlimit64", 0, RLIMIT_NOFILE, [limits[0]!, limits[1]!], null);
  }
}

Deno.test("what an app does not have is refused by what it has", () => {
  const app = started({ ...STREAMS, stdin: "null" });
  assertThrows(
    () => attach(app, ["stdout", "stdin"]),
    Error,
    'app "web" has no stdin: stdin is null, stdout stream, stderr stream',
  );
});

Deno.test("several clients get each stream, and one that leaves does no harm", () => {
  using app = started(STREAMS);
  const [first, second] = [attach(app, ["stdout"]), attach(app, ["stdout", "stderr"])];
  app.feedOf("stdout").write(bytes("out"));
  app.feedOf("stderr").write(bytes("err"));
  assertEquals(readFrom(first.socket.get("stdout")), "out");
  assertEquals(readFrom(second.socket.get("stdout")), "out");
  assertEquals(readFrom(second.socket.get("stderr")), "err");
  first.detach();
  app.feedOf("stdout").write(bytes("more"));
  assertEquals(readFrom(second.socket.get("stdout")), "more");
  assertEquals([first.told, second.told], [[], []]);
});

Deno.test("all clients type for the app, and one ends its input behind what it has sent", () => {
  using app = started(STREAMS);
  using stdin = app.openInput();
  doNotWait(stdin);
  const [first, second] = [attach(app, ["stdin"]), attach(app, ["stdin"])];
  writeAvailable(first.socket.get("stdin")!.number, bytes("one "));
  settle(app);
  writeAvailable(second.socket.get("stdin")!.number, bytes("two "));
  settle(app);
  first.detach();
  settle(app);
  writeAvailable(second.socket.get("stdin")!.number, bytes("three"));
  assertEquals(app.endpoints(), ["stdin", "stdout", "stderr"]);
  second.endInput();
  assertEquals(readFrom(stdin), "one two three");
  assertEquals(readFrom(stdin), "");
  assertEquals(app.endpoints(), ["stdout", "stderr"]);
  assertThrows(() => attach(app, ["stdin"]), Error, 'app "web": its input has ended');
});

Deno.test("of an app with an input alone nothing is left when that has ended", () => {
  using app = started({ stdin: "stream", stdout: "log", stderr: "null" });
  using stdin = app.openInput();
  doNotWait(stdin);
  assertEquals(app.endpoints(), ["stdin"]);
  attach(app, ["stdin"]).endInput();
  assertThrows(() => app.endpoints(), Error, 'app "web": its input has ended');
});

Deno.test("the end of input waits until the app has taken what was sent before", () => {
  using app = started(STREAMS);
  using stdin = app.openInput();
  doNotWait(stdin);
  const client = attach(app, ["stdin"]);
  const sent = writeAvailable(client.socket.get("stdin")!.number, new Uint8Array(150_000));
  client.endInput();
  let read = 0;
  for (let rounds = 0; rounds < 1000; rounds++) {
    settle(app);
    const some = readAvailable(stdin.number, 10_000)?.length;
    if (some === 0) return assertEquals(read, sent);
    read += some ?? 0;
  }
  throw new Error("the input does not end");
});

Deno.test("a client is let go when the app has ended, with what it has written", () => {
  using app = started(STREAMS);
  const client = attach(app, ["stdout"]);
  const feed = app.feedOf("stdout");
  feed.write(bytes("last words"));
  app.ended();
  assertEquals(client.told, ["ended"]);
  assertEquals(readFrom(client.socket.get("stdout")), "last words");
  assertEquals(readFrom(client.socket.get("stdout")), "");
  assert(app.isDone);
});

Deno.test("one that does not read the rest has a second for it", () => {
  using app = started(STREAMS);
  const client = attach(app, ["stdout"]);
  for (let count = 0; count < 10; count++) app.feedOf("stdout").write(new Uint8Array(64 * 1024));
  app.ended();
  assertEquals([client.told, app.isDone], [[], false]);
  const wait = app.untilNext()!;
  assert(wait > 500 && wait <= 1000, `${wait}`);
  waitForEvents([], wait);
  app.onReady(new Set());
  const [lost, ended] = client.told;
  assert(typeof lost === "number" && lost > 0);
  assertEquals([ended, app.isDone], ["ended", true]);
});

Deno.test("an earlier process's output is not for those who attach to the next", () => {
  using app = started(STREAMS);
  const left = app.feedOf("stdout");
  app.ended();
  app.prepare();
  app.started();
  const client = attach(app, ["stdout"]);
  left.write(bytes("of a daemon that is left"));
  assertEquals(readFrom(client.socket.get("stdout")), undefined);
});

Deno.test("a terminal has the size that a client has said last, and both ways in one socket", () => {
  using app = new AttachableApp("web", TERMINAL);
  using devpts = openFile("/dev/pts", O_PATH | O_DIRECTORY);
  const pty = openPty(devpts);
  app.prepare();
  app.setTerminal(pty, true);
  app.started();
  const size = () => {
    const { rows, columns } = windowSize(pty.master.number);
    return [rows, columns];
  };
  const first = attach(app, ["tty-in", "tty-out"], { rows: 30, columns: 90 });
  assertEquals(size(), [30, 90]);
  const second = attach(app, ["tty-out"]);
  assertEquals(size(), [30, 90]);
  first.resize({ rows: 40, columns: 80 });
  assertEquals(size(), [40, 80]);
  assertEquals([...first.socket.keys()], ["tty"]);
  writeAvailable(first.socket.get("tty")!.number, bytes("typed\n"));
  writeAvailable(second.socket.get("tty")!.number, bytes("not heard\n"));
  settle(app);
  doNotWait(pty.slave);
  assertEquals(readFrom(pty.slave), "typed\n");
  assertEquals(readFrom(pty.slave), undefined);
});
