import "../linux/libc_testing.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import * as z from "zod/mini";
import { type Schema, schema } from "../appc/schema.ts";
import { asBytes } from "../linux/bytes.ts";
import { Fd } from "../linux/fd.ts";
import { syscall } from "../linux/libc.ts";
import { connectToListener, sendMessage } from "../linux/message_socket.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { waitForEvents } from "../linux/poll.ts";
import { statFd } from "../linux/stat.ts";
import { encodeText } from "../linux/text.ts";
import { ControlClient, RequestError } from "./client.ts";
import type { Connection } from "./connection.ts";
import type { Received } from "./envelope.ts";
import {
  CLIENT_PATIENCE,
  type ClientMessage,
  Done,
  Listed,
  LONGEST_MESSAGE,
  MOST_CONNECTIONS,
  type Request,
} from "./messages.ts";
import { ControlServer, type Handlers, listenForClients } from "./server.ts";

const RLIMIT_NOFILE = 7;
const NOBODY = 65_534;

/** What a handler was asked, and the connection by which it can answer. */
interface Asked {
  request: Request;
  connection: Connection;
}

/** A server in a directory of its own, whose loop turns when it is told to. */
class TestServer {
  readonly asked: Asked[] = [];
  readonly lines: string[] = [];
  readonly told: string[] = [];
  /** The clock, in milliseconds. */
  now = 0;
  readonly #server: ControlServer;
  readonly #listener: Fd;

  constructor(listener: Fd, handlers: Partial<Handlers> = {}) {
    this.#listener = listener;
    const take = (request: Request, connection: Connection) => {
      this.asked.push({ request, connection });
    };
    const all = { add: take, start: take, stop: take, remove: take, list: take, attach: take };
    const debug = (line: string) => void this.lines.push(line);
    this.#server = new ControlServer(
      listener,
      { ...all, ...handlers },
      debug,
      (line) => void this.told.push(line),
      () => this.now,
    );
  }

  /** How many clients the server waits for. */
  get clients(): number {
    return this.#server.interests().filter(({ fd }) => fd !== this.#listener.number).length;
  }

  get untilNext(): number | undefined {
    return this.#server.untilNext();
  }

  /** Has handled what has come first. */
  turnOnce(): void {
    this.#server.onReady(waitForEvents(this.#server.interests(), 0));
  }

  /** Has everything handled that has come. */
  turn(): void {
    for (;;) {
      const ready = waitForEvents(this.#server.interests(), 0);
      this.#server.onReady(ready);
      if (ready.length === 0) return;
    }
  }
}

/** Calls a function with a server, in the server's directory. */
function serving(act: (server: TestServer) => void, handlers?: Partial<Handlers>): void {
  const before = Deno.cwd();
  const directory = Deno.makeTempDirSync({ prefix: "volo-control-" });
  Deno.chdir(directory);
  try {
    using listener = listenForClients();
    Deno.chmodSync(".", 0o755);
    act(new TestServer(listener, handlers));
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
}

function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

/** Calls a function as another user. The call changes this thread alone. */
function asNobody<T>(act: () => T): T {
  syscall("setresuid", -1, NOBODY, -1);
  try {
    return act();
  } finally {
    syscall("setresuid", -1, 0, -1);
  }
}

/** Calls a function while this process can open nothing. */
function withoutDescriptors(act: () => void): void {
  const limits = new BigUint64Array(2);
  syscall("prlimit64", 0, RLIMIT_NOFILE, null, asBytes(limits));
  syscall("prlimit64", 0, RLIMIT_NOFILE, [3, limits[1]!], null);
  try {
    act();
  } finally {
    syscall("prlimit64", 0, RLIMIT_NOFILE, [limits[0]!, limits[1]!], null);
  }
}

/** Has the server take a message, and returns what it answers. */
function ask<S extends z.ZodMiniType>(
  server: TestServer,
  client: ControlClient,
  message: ClientMessage,
  schema: Schema<S>,
): Received<z.infer<S>> {
  client.send(message);
  server.turn();
  return client.receive(schema, 0);
}

/** Connects a client that says whatever it wants. */
function connectRaw(): Fd {
  return connectToListener("control", 1_000);
}

/** The error that the server has answered with. */
function errorTo(client: ControlClient): string {
  return assertThrows(() => client.receive(Done, 0), RequestError).message;
}

Deno.test("a request gets to its handler, and its answer to the client", () =>
  serving((server) => {
    using client = new ControlClient();
    const { message } = ask(server, client, { do: "list", app: "web" }, Listed);
    assertEquals(message, { ok: { endpoints: ["stdin", "stdout"] } });
    server.turn();
    assertEquals(server.clients, 0);
    assertThrows(() => client.receive(Done, 0), Error, "the pod has ended");
  }, {
    list(request, connection) {
      assertEquals(request, { do: "list", app: "web" });
      connection.reply({ ok: { endpoints: ["stdin", "stdout"] } });
    },
  }));

Deno.test("a handler may answer later, and its error is the client's", () =>
  serving((server) => {
    using client = new ControlClient();
    client.send({ do: "stop", app: "web" });
    server.turn();
    assertEquals(client.receiveIfThere(Done), undefined);
    assertEquals(server.untilNext, undefined);
    server.asked[0]!.connection.fail('app "web" cannot end');
    assertThrows(() => client.receive(Done, 0), RequestError, 'app "web" cannot end');
    assertEquals(server.clients, 0);
  }));

Deno.test("an error that a handler throws is one line to the client, and is undone", () => {
  let undone = 0;
  serving((server) => {
    using client = new ControlClient();
    client.send({ do: "add", app: "web" });
    server.turn();
    assertEquals(errorTo(client), "apps[0]: not possible: for a reason");
    assertEquals([undone, server.clients], [1, 0]);
  }, {
    add(_, connection) {
      connection.onEnd = () => void undone++;
      throw new Error("apps[0]: not\npossible", { cause: new Error("for a reason") });
    },
  });
});

Deno.test("descriptors come by their names, and those that nobody takes are closed", () =>
  serving((server) => {
    using root = openFile("/", O_PATH | O_DIRECTORY);
    using dev = openFile("/dev", O_PATH | O_DIRECTORY);
    const before = openDescriptors();
    {
      using client = new ControlClient();
      client.send({ do: "add", app: "web" });
      server.turn();
      const { connection } = server.asked[0]!;
      const Text = schema(() => z.strictObject({ added: z.string() }));
      connection.expect(Text, ({ added }, fds) => {
        assertEquals(added, "this");
        using taken = fds.take("root");
        assertEquals(statFd(taken).identity, statFd(root).identity);
        const [one, two, ...others] = fds.takeAll("cgroup");
        assertEquals([others.length, fds.takeIfThere("syslog")], [0, undefined]);
        assertThrows(() => fds.take("mounts"), Error, 'no descriptor "mounts"');
        using _one = one!;
        using _two = two!;
        connection.reply({ ok: {} }, [["pod root", dev], ["pod net", root]]);
      });
      const fds = [["root", root], ["cgroup", dev], ["spare", dev], ["cgroup", dev]] as const;
      client.send({ added: "this" } as never, fds);
      server.turn();
      const answer = client.receive(Done, 0);
      using _rest = answer.fds;
      using net = answer.fds.take("pod net");
      assertEquals(statFd(net).identity, statFd(root).identity);
    }
    assertEquals(openDescriptors(), before);
  }));

Deno.test("an answer whose descriptors cannot be sent comes without them", () =>
  serving((server) => {
    using client = new ControlClient();
    client.send({ do: "remove", app: "web" });
    server.turn();
    const closed = new Fd(1_000_000);
    assertEquals(server.asked[0]!.connection.reply({ ok: {} }, [["syslog", closed]]), false);
    using fds = client.receive(Done, 0).fds;
    assertEquals(fds.takeIfThere("syslog"), undefined);
  }));

Deno.test("names of the kernel's that are no UTF-8 arrive as they are", () =>
  serving((server) => {
    using client = new ControlClient();
    client.send({ do: "start", app: "web" });
    server.turn();
    let path = "";
    const Failed = schema(() => z.strictObject({ failed: z.string() }));
    server.asked[0]!.connection.expect(Failed, ({ failed }) => void (path = failed));
    client.send({ failed: "/sys/fs/cgroup/caf\udce9" });
    server.turn();
    assertEquals(path, "/sys/fs/cgroup/caf\udce9");
  }));

Deno.test("what a client may not say ends its connection, and nothing stays open", () =>
  serving((server) => {
    using root = openFile("/", O_PATH | O_DIRECTORY);
    const wrong: [bytes: string, fds: number, error: RegExp][] = [
      ["", 1, /^the pod has ended$/],
      ["\xff\xfe{", 0, /^message: not JSON$/],
      ["[]", 0, /^message: not an object$/],
      ["null", 0, /^message: not an object$/],
      ["{}", 0, /^message\.do: /],
      ['{"do":"list"}', 0, /^message\.app: expected string, received nothing$/],
      ['{"do":"list","app":"../web"}', 0, /^message\.app: must be lower-case/],
      ['{"do":"list","app":"web","more":1}', 0, /^message: /],
      ['{"do":"reboot","app":"web"}', 0, /^message\.do: /],
      ['{"do":"list","app":"web"}', 1, /^message\.fds: 0 names for 1 descriptors$/],
      ['{"do":"list","app":"web","fds":["a"]}', 0, /^message\.fds: 1 names for 0/],
      ['{"do":"list","app":"web","fds":{"0":"a"}}', 1, /^message\.fds: not a list of names$/],
      ['{"do":"list","app":"web","fds":[1]}', 1, /^message\.fds: not a list of names$/],
      ["[".repeat(LONGEST_MESSAGE), 0, /^message: not JSON$/],
      ['{"app":' + "[".repeat(30_000) + "]".repeat(30_000) + "}", 0, /^message\.do: /],
      [" ".repeat(LONGEST_MESSAGE + 1), 64, /^message: longer than 65536 bytes/],
      ['{"do":"list","app":"web"}', 65, /^message: longer than .* or more than 64 descriptors$/],
      ['{"do":"list","app":"web"}', 253, /^message: longer than .* or more than 64 descriptors$/],
    ];
    const before = openDescriptors();
    for (const [text, fds, error] of wrong) {
      using client = new ControlClient();
      sendMessage({ number: client.fd } as Fd, encodeText(text), Array(fds).fill(root));
      server.turn();
      const { message } = assertThrows(() => client.receive(Done, 0), Error);
      assert(error.test(message), `${text.slice(0, 50)}: ${message.slice(0, 200)}`);
      assertEquals(/[\n\0]/.test(message), false);
    }
    assertEquals([server.asked, server.clients], [[], 0]);
    assertEquals(openDescriptors(), before);
  }));

Deno.test("a message that is not due is refused, and what was begun is undone", () =>
  serving((server) => {
    using client = new ControlClient();
    client.send({ do: "stop", app: "web" });
    server.turn();
    let undone = 0;
    server.asked[0]!.connection.onEnd = () => void undone++;
    client.send({ do: "stop", app: "web" });
    server.turn();
    assertEquals(errorTo(client), "message: nothing is expected");
    assertEquals([undone, server.clients], [1, 0]);
    // Who answers later does no harm.
    server.asked[0]!.connection.reply();
    server.asked[0]!.connection.fail("too late");
    assertEquals(server.asked[0]!.connection.send({ ok: {} }), false);
    assertEquals(undone, 1);
  }));

Deno.test("why nothing came of a request is told where rkt tells it nobody", () =>
  serving((server) => {
    for (const request of ["add", "start", "stop", "remove", "list"] as const) {
      const client = new ControlClient();
      client.send({ do: request, app: "web" });
      server.turn();
      server.asked.at(-1)!.connection.fail(`no ${request}`);
    }
    assertEquals(server.told, ["app-add: no add", "app-start: no start"]);
    const client = new ControlClient();
    client.send({ do: "start", app: "web" });
    server.turn();
    server.asked.at(-1)!.connection.reply();
    client[Symbol.dispose]();
    server.turn();
    assertEquals(server.told.length, 2);
  }));

Deno.test("a client that goes has its request undone, once", () =>
  serving((server) => {
    const client = new ControlClient();
    client.send({ do: "add", app: "web" });
    server.turn();
    const { connection } = server.asked[0]!;
    let undone = 0;
    connection.onEnd = () => void undone++;
    connection.expect(Done, () => assert(false));
    assertEquals(connection.send({ ok: {} }), true);
    client[Symbol.dispose]();
    server.turn();
    server.turn();
    assertEquals([undone, server.clients, server.untilNext], [1, 0, undefined]);
    // Neither is one that goes before it has said anything, nor one whose answer nobody reads.
    new ControlClient()[Symbol.dispose]();
    const other = new ControlClient();
    other.send({ do: "list", app: "web" });
    other[Symbol.dispose]();
    server.turn();
    server.asked[1]!.connection.reply();
    server.turn();
    assertEquals(server.clients, 0);
  }));

Deno.test("a silent client is not waited for longer than it may take", () =>
  serving((server) => {
    using silent = new ControlClient();
    server.turn();
    assertEquals([server.clients, server.untilNext], [1, CLIENT_PATIENCE]);
    server.now += CLIENT_PATIENCE - 1;
    server.turn();
    assertEquals([server.clients, server.untilNext], [1, 1]);
    using half = new ControlClient();
    half.send({ do: "add", app: "web" });
    server.turn();
    let undone = 0;
    const { connection } = server.asked[0]!;
    connection.onEnd = () => void undone++;
    connection.expect(Done, () => {});
    server.now += 1;
    server.turn();
    assertEquals(errorTo(silent), "no message came for 30 seconds");
    assertEquals([server.clients, undone], [1, 0]);
    server.now += CLIENT_PATIENCE;
    server.turn();
    assertEquals(errorTo(half), "no message came for 30 seconds");
    assertEquals([server.clients, undone], [0, 1]);
  }));

Deno.test("a client that is attached says what it wants when it wants", () =>
  serving((server) => {
    using client = new ControlClient();
    client.send({ do: "attach", app: "web", endpoints: ["tty-in"] });
    server.turn();
    const { connection } = server.asked[0]!;
    const sizes: unknown[] = [];
    const Size = schema(() => z.strictObject({ resize: z.any() }));
    connection.listen(Size, ({ resize }) => void sizes.push(resize));
    server.now += 10 * CLIENT_PATIENCE;
    for (const rows of [1, 2, 3]) client.send({ resize: { rows, columns: 80 } });
    server.turn();
    assertEquals(sizes, [1, 2, 3].map((rows) => ({ rows, columns: 80 })));
    assertEquals([server.clients, server.untilNext], [1, undefined]);
    connection.reply({ ended: {} });
    assertEquals(client.receive(schema(() => z.any()), 0).message, { ended: {} });
  }));

Deno.test("a client that takes nothing is not waited for", () =>
  serving((server) => {
    using client = new ControlClient();
    client.send({ do: "attach", app: "web", endpoints: ["stdout"] });
    server.turn();
    const { connection } = server.asked[0]!;
    let count = 0;
    while (connection.send({ gap: count }) && count < 100_000) count++;
    assert(count > 0 && count < 100_000);
    connection.reply({ ended: {} });
    assertEquals(server.clients, 0);
  }));

Deno.test("of thousands of clients, each is let in or told why not", () =>
  serving((server) => {
    const before = openDescriptors();
    {
      using clients = new DisposableStack();
      const first = Array.from({ length: MOST_CONNECTIONS }, () => {
        const client = clients.use(new ControlClient());
        client.send({ do: "stop", app: "web" });
        server.turn();
        return client;
      });
      for (let i = 0; i < 2_000; i++) {
        using client = new ControlClient();
        // What the server has not read must not cost the client its answer.
        client.send({ do: "stop", app: "web" });
        server.turn();
        assertEquals(errorTo(client), "64 requests are served already");
      }
      assertEquals([server.clients, server.asked.length], [MOST_CONNECTIONS, MOST_CONNECTIONS]);
      for (const { connection } of server.asked) connection.reply();
      for (const client of first) assertEquals(client.receive(Done, 0).message, { ok: {} });
    }
    for (let i = 0; i < 2_000; i++) {
      using _client = new ControlClient();
      server.turn();
    }
    server.turn();
    assertEquals(server.clients, 0);
    assertEquals(openDescriptors(), before);
  }));

Deno.test("a flood of clients does not hold up the loop", () =>
  serving((server) => {
    const clients = Array.from({ length: 40 }, () => connectRaw());
    server.turnOnce();
    assertEquals(server.clients, 16);
    server.turn();
    assertEquals(server.clients, 40);
    for (const client of clients) client[Symbol.dispose]();
    server.turn();
    assertEquals(server.clients, 0);
  }));

Deno.test("without a descriptor left, clients wait, and are let in later", () =>
  serving((server) => {
    using _client = connectRaw();
    withoutDescriptors(() => server.turnOnce());
    server.turn();
    assertEquals([server.clients, server.untilNext], [0, 1_000]);
    server.now += 1_000;
    server.turnOnce();
    server.turn();
    assertEquals([server.clients, server.untilNext], [1, CLIENT_PATIENCE]);
  }));

Deno.test("only root is heard, whoever gets to the socket", () =>
  serving((server) => {
    assertEquals(Deno.statSync("control").mode! & 0o7777, 0o600);
    assertThrows(() => asNobody(connectRaw), Error, "EACCES");
    Deno.chmodSync("control", 0o666);
    using client = asNobody(() => new ControlClient());
    client.send({ do: "list", app: "web" });
    server.turn();
    assertEquals(errorTo(client), "only root may ask for anything");
    assertEquals([server.clients, server.asked], [0, []]);
  }));
