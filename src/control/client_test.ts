import "../linux/libc_testing.ts";
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Fd } from "../linux/fd.ts";
import {
  acceptConnection,
  listenForConnections,
  receiveMessage,
  sendMessage,
} from "../linux/message_socket.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { encodeText } from "../linux/text.ts";
import { ControlClient, RequestError } from "./client.ts";
import { Done, Listed, LONGEST_MESSAGE } from "./messages.ts";

/** Calls a function in a directory with a socket that listens. */
function listening(act: (listener: Fd) => void): void {
  const before = Deno.cwd();
  const directory = Deno.makeTempDirSync({ prefix: "volo-client-" });
  Deno.chdir(directory);
  try {
    using listener = listenForConnections("control", 0o600, 8);
    act(listener);
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
}

/** Calls a function with a client, and the socket of a supervisor that says whatever it wants. */
function connected(act: (client: ControlClient, supervisor: Fd) => void): void {
  listening((listener) => {
    using client = new ControlClient();
    using supervisor = acceptConnection(listener)!;
    act(client, supervisor);
  });
}

function openDescriptors(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}

Deno.test("a client says what it wants, and takes the answer that it expects", () =>
  connected((client, supervisor) => {
    client.send({ do: "list", app: "web" });
    const asked = receiveMessage(supervisor, { bytes: 100, fds: 1 });
    assertEquals(asked, { bytes: encodeText('{"do":"list","app":"web"}'), fds: [] });
    assertEquals(client.receiveIfThere(Listed), undefined);
    sendMessage(supervisor, encodeText('{"ok":{"endpoints":["tty-in"]}}'));
    assertEquals(client.receive(Listed).message, { ok: { endpoints: ["tty-in"] } });
    assertEquals(client.supervisorPid(), Deno.pid);
  }));

Deno.test("an answer that is none is an error in one line, and its descriptors are closed", () =>
  connected((client, supervisor) => {
    using root = openFile("/", O_PATH | O_DIRECTORY);
    const before = openDescriptors();
    const wrong: [text: string, fds: number, error: RegExp][] = [
      ["{", 1, /^message: not JSON$/],
      ['{"ok":{}}', 1, /^message\.fds: 0 names for 1 descriptors$/],
      ['{"ok":{"more":1}}', 0, /^message/],
      ['{"launch":["running"],"fds":["a"]}', 1, /^message/],
      ['{"error":7}', 0, /^message/],
      ['{"error":"x","fds":["a"]}', 1, /^x$/],
      [" ".repeat(LONGEST_MESSAGE + 1), 1, /^an answer with more than can be taken$/],
    ];
    for (const [text, fds, error] of wrong) {
      sendMessage(supervisor, encodeText(text), Array(fds).fill(root));
      const { message } = assertThrows(() => client.receive(Done), Error);
      assert(error.test(message), message);
    }
    assertEquals(openDescriptors(), before);
  }));

Deno.test("the supervisor's error is the client's", () =>
  connected((client, supervisor) => {
    sendMessage(supervisor, encodeText('{"error":"the pod is immutable"}'));
    assertThrows(() => client.receive(Done), RequestError, "the pod is immutable");
  }));

Deno.test("the end of the supervisor is told, and what it has said before is not lost", () =>
  listening((listener) => {
    using client = new ControlClient();
    const supervisor = acceptConnection(listener)!;
    sendMessage(supervisor, encodeText('{"error":"no"}'));
    supervisor[Symbol.dispose]();
    // Nobody takes this any more.
    client.send({ do: "list", app: "web" });
    assertThrows(() => client.receive(Done), RequestError, "no");
    assertThrows(() => client.receive(Done), Error, "the pod has ended");
  }));

Deno.test("a supervisor that is silent is waited for as long as it may take", () =>
  connected((client) => {
    const begin = performance.now();
    const ask = () => client.ask({ do: "list", app: "web" }, Listed, [], 100);
    assertThrows(ask, Error, "the pod's supervisor does not answer");
    assert(performance.now() - begin >= 99);
  }));

Deno.test("a supervisor that takes nothing is not waited for, and one that works is", () =>
  listening((listener) => {
    const secondsOf = (act: () => void) => {
      const begin = performance.now();
      assertThrows(act, Error, "the pod's supervisor does not answer");
      return (performance.now() - begin) / 1000;
    };
    const patience = 100;
    using client = new ControlClient(patience);
    client.send({ do: "stop", app: "web" });
    // Nobody lets it in, and then nobody takes what it has sent.
    assert(secondsOf(() => client.receive(Done)) < 5);
    using supervisor = acceptConnection(listener)!;
    assert(secondsOf(() => client.ask({ do: "stop", app: "web" }, Done)) < 5);
    while (receiveMessage(supervisor, { bytes: 100, fds: 1 }) !== undefined);
    assert(secondsOf(() => client.receive(Done, 1000)) >= 0.9);
  }));

Deno.test("where nobody listens, the pod has ended; where no socket is, none began", () => {
  const before = Deno.cwd();
  const directory = Deno.makeTempDirSync({ prefix: "volo-client-" });
  Deno.chdir(directory);
  try {
    assertThrows(() => new ControlClient(), Error, "nobody can be asked: run has not begun");
    listenForConnections("control", 0o600, 1)[Symbol.dispose]();
    assertThrows(() => new ControlClient(), Error, "the pod has ended");
  } finally {
    Deno.chdir(before);
    Deno.removeSync(directory, { recursive: true });
  }
});

Deno.test("who tells of a failure goes when the supervisor has taken note, or is not there", () =>
  listening((listener) => {
    using client = new ControlClient();
    {
      using supervisor = acceptConnection(listener)!;
      sendMessage(supervisor, encodeText('{"error":"app: nobody"}'));
      client.sendFailure(new Error("app: nobody"));
      const told = receiveMessage(supervisor, { bytes: 100, fds: 1 });
      assertEquals(told, { bytes: encodeText('{"failed":"app: nobody"}'), fds: [] });
      assertEquals(client.receiveIfThere(Done), undefined);
    }
    client.sendFailure(new Error("app: nobody"));
  }));
