import "../linux/libc_testing.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { existsSync } from "node:fs";
import { type Bytes, concatenate } from "../linux/bytes.ts";
import { connectDatagrams, makeDatagramSocket, sendDatagram } from "../linux/datagram.ts";
import { type Fd, isOpen } from "../linux/fd.ts";
import { syscall } from "../linux/libc.ts";
import { sendMessage } from "../linux/message_socket.ts";
import { O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_WRONLY, openFile } from "../linux/open.ts";
import type { Pipe } from "../linux/pipe.ts";
import { waitForEvents } from "../linux/poll.ts";
import { statFd } from "../linux/stat.ts";
import { makeOutputPipe, readAvailable, writeAvailable } from "../linux/stream.ts";
import { bindSocket } from "../linux/unix_address.ts";
import { DEFAULT_LOG, type LogPlan } from "../plan/log.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { JOURNAL_SOCKET } from "./journal.ts";
import { PodOutput } from "./output.ts";

const APPS = ["web", "db", "loud", "quiet"];
const ROOT = { uid: 0, gid: 0 };
const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes) => new TextDecoder().decode(bytes);

interface Caller {
  output: PodOutput;
  stdout: Pipe;
  stderr: Pipe;
  /** The path of the pod directory. */
  pod: string;
}

/** A pod's output, and a caller whose streams are pipes. */
function withCaller(severalApps: boolean, act: (caller: Caller) => void): void {
  using pipes = new DisposableStack();
  const stdout = pipe(pipes);
  const stderr = pipe(pipes);
  withOutput({ severalApps, stdout: stdout.writeEnd, stderr: stderr.writeEnd }, (made) => {
    act({ ...made, stdout, stderr });
  });
}

function withOutput(
  options: {
    severalApps: boolean;
    stdout: Fd;
    stderr: Fd;
    isMutable?: boolean;
    log?: LogPlan;
    syslog?: Fd;
  },
  act: (made: Pick<Caller, "output" | "pod">) => void,
): void {
  const pod = Deno.makeTempDirSync({ prefix: "volo-output-" });
  try {
    using podDirectory = openFile(pod, O_RDONLY | O_DIRECTORY);
    using output = new PodOutput({
      podDirectory,
      severalApps: options.severalApps,
      isMutable: options.isMutable ?? false,
      uuid: "pod",
      kubernetesLogs: null,
      stdout: options.stdout.number,
      stderr: options.stderr.number,
    });
    for (const app of APPS) {
      output.addApp(app, {
        log: options.log ?? DEFAULT_LOG,
        syslog: app === "web" ? options.syslog : undefined,
      });
    }
    act({ output, pod });
  } finally {
    Deno.removeSync(pod, { recursive: true });
  }
}

/** Its ends are closed with the stack, unless the test has done it. */
function pipe(stack: DisposableStack): Pipe {
  const { readEnd, writeEnd } = makeOutputPipe();
  stack.use(readEnd);
  stack.use(writeEnd);
  return { readEnd, writeEnd };
}

/** What the supervisor does, as long as there is something to do at once. */
function settle(output: PodOutput): void {
  for (;;) {
    const ready = waitForEvents(output.interests(), 0);
    if (ready.length === 0) return;
    output.onReady(ready);
  }
}

function write(fd: Fd, content: Bytes | string): void {
  const all = typeof content === "string" ? bytes(content) : content;
  assertEquals(syscall("write", fd.number, all, all.length), all.length);
}

function readAll({ readEnd }: Pipe): Bytes {
  const blocks: Bytes[] = [];
  for (;;) {
    const block = readAvailable(readEnd.number, 65_536);
    if (block === undefined || block.length === 0) return concatenate(blocks);
    blocks.push(block);
  }
}

Deno.test("of one app, each byte is passed on as it is and at once, and logged", () => {
  withCaller(false, ({ output, stdout, stderr, pod }) => {
    const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
    using out = output.openStream("web", "stdout", ROOT);
    using err = output.openStream("web", "stderr", ROOT);
    write(out, binary);
    write(err, "no newline");
    settle(output);
    assertEquals(readAll(stdout), binary);
    assertEquals(text(readAll(stderr)), "no newline");
    const log = Deno.readFileSync(`${pod}/log/web.log`);
    assertEquals(log, concatenate([binary, bytes("no newline")]));
    assertEquals(output.isDone, false);
  });
});

Deno.test("of several apps, whole lines are passed on with their app and process", () => {
  withCaller(true, ({ output, stdout, pod }) => {
    const web = output.openStream("web", "stdout", ROOT);
    const db = output.openStream("db", "stdout", ROOT);
    output.appStarted("web", 7);
    output.appStarted("db", 8);
    write(web, "half ");
    write(db, "ready\nset");
    settle(output);
    write(web, "and half\n");
    settle(output);
    for (const end of [web, db]) end[Symbol.dispose]();
    settle(output);
    const time = "\\[ *\\d+\\.\\d{6}\\]";
    assertMatch(
      text(readAll(stdout)),
      new RegExp(
        `^${time} db\\[8\\]: ready\n${time} web\\[7\\]: half and half\n${time} db\\[8\\]: set\n$`,
      ),
    );
    assertEquals(output.isDone, true);
    assertEquals(Deno.readTextFileSync(`${pod}/log/web.log`), "half and half\n");
    assertEquals(Deno.readTextFileSync(`${pod}/log/db.log`), "ready\nset");
  });
});

Deno.test("in the format of CRI, each line of the log has its time, its stream and a tag", () => {
  using pipes = new DisposableStack();
  const caller = pipe(pipes);
  const log: LogPlan = { ...DEFAULT_LOG, format: "cri" };
  const options = { severalApps: false, stdout: caller.writeEnd, stderr: caller.writeEnd, log };
  withOutput(options, ({ output, pod }) => {
    const out = output.openStream("web", "stdout", ROOT);
    const err = output.openStream("web", "stderr", ROOT);
    for (
      const [end, content] of [[out, "half "], [err, "oh\n"], [out, "and half\nno end"]] as const
    ) {
      write(end, content);
      settle(output);
    }
    for (const end of [out, err]) end[Symbol.dispose]();
    settle(output);
    assertEquals(text(readAll(caller)), "half oh\nand half\nno end");
    const lines = Deno.readTextFileSync(`${pod}/log/web.log`).split("\n");
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /;
    assertEquals(lines.map((line) => line.replace(time, "")), [
      "stderr F oh",
      "stdout F half and half",
      "stdout P no end",
      "",
    ]);
  });
});

for (
  const [format, expected] of [
    ["raw", ["Nov 26 09:01:02 web[7]: no disk", "two", "lines", ""]],
    ["cri", ["stderr F web[7]: no disk", "stderr F two", "stderr F lines", ""]],
  ] as const
) {
  Deno.test(`what comes by syslog(3) is in the log of format ${format}, and not the caller's`, () => {
    using pipes = new DisposableStack();
    const caller = pipe(pipes);
    const directory = Deno.makeTempDirSync({ prefix: "volo-syslog-" });
    const path = `${directory}/socket`;
    const socket = makeDatagramSocket();
    bindSocket(socket, path, 0o666);
    using sender = makeDatagramSocket();
    const options = {
      severalApps: false,
      stdout: caller.writeEnd,
      stderr: caller.writeEnd,
      log: { ...DEFAULT_LOG, format },
      syslog: socket,
    };
    withOutput(options, ({ output, pod }) => {
      for (
        const message of ["", "<11>Nov 26 09:01:02 web[7]: no disk\n", "<14>two\nlines", "<14>\n"]
      ) {
        sendDatagram(sender, bytes(message), path);
      }
      assertEquals(output.isDone, false);
      settle(output);
      assertEquals(output.isDone, true);
      assertEquals(text(readAll(caller)), "");
      const lines = Deno.readTextFileSync(`${pod}/log/web.log`).split("\n");
      assertEquals(lines.map((line) => line.replace(/^\d{4}-.*Z /, "")), [...expected]);
    });
    Deno.removeSync(directory, { recursive: true });
  });
}

Deno.test("of messages of many lines, few are logged before others have their turn", () => {
  using pipes = new DisposableStack();
  const caller = pipe(pipes);
  const directory = Deno.makeTempDirSync({ prefix: "volo-syslog-" });
  const socket = makeDatagramSocket();
  bindSocket(socket, `${directory}/socket`, 0o666);
  using sender = makeDatagramSocket();
  const options = {
    severalApps: false,
    stdout: caller.writeEnd,
    stderr: caller.writeEnd,
    log: { ...DEFAULT_LOG, format: "cri" as const },
    syslog: socket,
  };
  withOutput(options, ({ output, pod }) => {
    const message = bytes(`${"\n".repeat(64 * 1024 - 1)}x`);
    for (let i = 0; i < 3; i++) sendDatagram(sender, message, `${directory}/socket`);
    output.onReady(waitForEvents(output.interests(), 0));
    const lines = Deno.readTextFileSync(`${pod}/log/web.log`).trimEnd().split("\n");
    assertEquals(lines.length, 64 * 1024);
    settle(output);
    assertEquals(output.isDone, true);
  });
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("an app's stream belongs to its user, who may open it again", () => {
  withCaller(false, ({ output }) => {
    using out = output.openStream("web", "stdout", { uid: 1000, gid: 1001 });
    const { uid, gid } = statFd(out);
    assertEquals([uid, gid], [1000, 1001]);
  });
});

/** Writes as an app does that does not care, until its pipe is full. */
function flood(output: PodOutput, app: Fd): number {
  using own = openFile(`/proc/self/fd/${app.number}`, O_WRONLY | O_NONBLOCK);
  const block = bytes("0123456789abcde\n".repeat(512));
  let total = 0;
  for (let written = -1; written !== 0; total += written) {
    written = writeAvailable(own.number, block);
    settle(output);
  }
  return total;
}

Deno.test("while the caller does not read, an app has to wait, and loses nothing", () => {
  withCaller(false, ({ output, stdout, pod }) => {
    const out = output.openStream("web", "stdout", ROOT);
    const total = flood(output, out);
    assertEquals(output.interests().length, 1, "only the caller is waited for");
    out[Symbol.dispose]();
    let read = 0;
    while (!output.isDone) {
      read += readAll(stdout).length;
      settle(output);
    }
    assertEquals(read + readAll(stdout).length, total);
    assertEquals(Deno.statSync(`${pod}/log/web.log`).size, total);
  });
});

Deno.test("an app that floods a slow caller does not silence another one", () => {
  withCaller(true, ({ output, stdout }) => {
    using loud = output.openStream("loud", "stdout", ROOT);
    using quiet = output.openStream("quiet", "stdout", ROOT);
    flood(output, loud);
    write(quiet, "a word\n");
    settle(output);
    let heard = "";
    while (!heard.includes("a word")) {
      const more = text(readAll(stdout));
      heard += more;
      settle(output);
      if (more === "") break;
    }
    const lines = heard.split("\n").slice(0, -1);
    assertEquals(
      lines.filter((line) => !/^\[.*\] (loud: 0123456789abcde|quiet: a word)$/.test(line)),
      [],
    );
    assertEquals(lines.some((line) => line.endsWith("quiet: a word")), true);
  });
});

Deno.test("lines of both streams stay whole where the caller has one for both", () => {
  using pipes = new DisposableStack();
  const both = pipe(pipes);
  withOutput({ severalApps: true, stdout: both.writeEnd, stderr: both.writeEnd }, ({ output }) => {
    using out = output.openStream("loud", "stdout", ROOT);
    using err = output.openStream("loud", "stderr", ROOT);
    flood(output, out);
    write(err, "a word\n");
    settle(output);
    const heard: Bytes[] = [];
    for (let more = readAll(both); more.length > 0; more = readAll(both)) {
      heard.push(more);
      settle(output);
    }
    const lines = text(concatenate(heard)).split("\n").slice(0, -1);
    assertEquals(lines.filter((line) => !/^\[.*\] loud: (0123456789abcde|a word)$/.test(line)), []);
    assertEquals(lines.some((line) => line.endsWith("loud: a word")), true);
  });
});

Deno.test("a caller who reads no more does not hinder the app, whose output is logged", () => {
  using pipes = new DisposableStack();
  const stderr = pipe(pipes);
  const stdout = makeOutputPipe();
  using _stdout = stdout.writeEnd;
  const options = { severalApps: false, stdout: stdout.writeEnd, stderr: stderr.writeEnd };
  withOutput(options, ({ output, pod }) => {
    stdout.readEnd[Symbol.dispose]();
    const out = output.openStream("web", "stdout", ROOT);
    for (let i = 0; i < 100; i++) {
      write(out, new Uint8Array(10_000));
      settle(output);
    }
    out[Symbol.dispose]();
    settle(output);
    assertEquals(output.isDone, true);
    assertEquals(Deno.statSync(`${pod}/log/web.log`).size, 1_000_000);
    assertEquals(text(readAll(stderr)), "");
  });
});

Deno.test("a caller whose disk is full is told so once", () => {
  using pipes = new DisposableStack();
  const stderr = pipe(pipes);
  using full = openFile("/dev/full", O_WRONLY);
  const options = { severalApps: false, stdout: full, stderr: stderr.writeEnd };
  withOutput(options, ({ output }) => {
    using out = output.openStream("web", "stdout", ROOT);
    for (const line of ["one\n", "two\n"]) {
      write(out, line);
      settle(output);
    }
    assertEquals(
      text(readAll(stderr)),
      "run: output has gaps: write(): ENOSPC, no space left on device\n",
    );
  });
});

Deno.test("what run has to say waits for no reader, and does not cut into lines", () => {
  using pipes = new DisposableStack();
  const both = pipe(pipes);
  withOutput({ severalApps: false, stdout: both.writeEnd, stderr: both.writeEnd }, ({ output }) => {
    using out = output.openStream("web", "stdout", ROOT);
    flood(output, out);
    output.say("web has ended\x07");
    const heard: Bytes[] = [];
    for (let more = readAll(both); more.length > 0; more = readAll(both)) {
      heard.push(more);
      settle(output);
    }
    const lines = text(concatenate(heard)).split("\n").slice(0, -1);
    assertEquals(lines.filter((line) => line !== "0123456789abcde"), [
      "run: web has ended\\x07",
    ]);
  });
});

Deno.test("when the pod has ended, what is in the pipes is all, whoever holds them", () => {
  withCaller(true, ({ output, stdout }) => {
    using out = output.openStream("web", "stdout", ROOT);
    using _err = output.openStream("web", "stderr", ROOT);
    write(out, "last words");
    output.podEnded();
    assertEquals(output.isDone, false);
    settle(output);
    assertEquals(output.isDone, true);
    assertMatch(text(readAll(stdout)), /^\[.*\] web: last words\n$/);
  });
});

Deno.test("where no log can be kept, that is said, and the caller gets all", () => {
  using pipes = new DisposableStack();
  const stdout = pipe(pipes);
  const stderr = pipe(pipes);
  using podDirectory = openFile("/proc", O_RDONLY | O_DIRECTORY);
  using output = new PodOutput({
    podDirectory,
    severalApps: false,
    isMutable: false,
    uuid: "pod",
    kubernetesLogs: null,
    stdout: stdout.writeEnd.number,
    stderr: stderr.writeEnd.number,
  });
  output.addApp("web", { log: DEFAULT_LOG });
  using out = output.openStream("web", "stdout", ROOT);
  write(out, "hello");
  settle(output);
  assertEquals(text(readAll(stdout)), "hello");
  assertMatch(text(readAll(stderr)), /^run: output is not logged: mkdirat\("log"\): ENOENT/);
});

Deno.test("an app is removed with what it has written, and all that was held for it", () => {
  withCaller(true, ({ output, stdout, pod }) => {
    const before = openDescriptors();
    const round = () => {
      const socket = makeDatagramSocket();
      output.addApp("late", { log: DEFAULT_LOG, syslog: socket });
      using out = output.openStream("late", "stdout", undefined);
      write(out, "last words\n");
      output.removeApp("late");
    };
    for (let count = 0; count < 3; count++) round();
    assertEquals(text(readAll(stdout)).match(/late: last words\n/g)?.length, 3);
    assertEquals(Deno.readTextFileSync(`${pod}/log/late.log`), "last words\n".repeat(3));
    assertEquals(openDescriptors(), before);
  });
});

Deno.test("of an app that is removed, what is still in /dev/log is logged", () => {
  using directory = new DisposableStack();
  const path = Deno.makeTempDirSync({ prefix: "volo-output-" });
  directory.defer(() => Deno.removeSync(path, { recursive: true }));
  withCaller(true, ({ output, pod }) => {
    const socket = makeDatagramSocket();
    bindSocket(socket, `${path}/log`, 0o666);
    output.addApp("late", { log: DEFAULT_LOG, syslog: socket });
    using sender = makeDatagramSocket();
    sendDatagram(sender, bytes("<13>bye"), `${path}/log`);
    output.removeApp("late");
    assertMatch(Deno.readTextFileSync(`${pod}/log/late.log`), /bye\n$/);
    assertThrows(
      () => sendDatagram(sender, bytes("<13>more"), `${path}/log`),
      Error,
      "ECONNREFUSED",
    );
  });
});

Deno.test("a reader that has stalled costs no more memory, however often apps are removed", () => {
  withCaller(true, ({ output, stdout, stderr, pod }) => {
    for (let count = 0; count < 40; count++) {
      output.addApp("late", { log: DEFAULT_LOG });
      using out = output.openStream("late", "stdout", undefined);
      write(out, `${"x".repeat(65_535)}\n`);
      output.removeApp("late");
    }
    assertEquals(Deno.statSync(`${pod}/log/late.log`).size, 40 * 65_536);
    let passedOn = 0;
    for (let more = -1; more !== 0;) {
      settle(output);
      more = readAll(stdout).length;
      passedOn += more;
    }
    assert(passedOn < 2 * 1024 * 1024, `${passedOn} bytes were kept`);
    assertEquals(text(readAll(stderr)), "run: output has gaps: its reader is too slow\n");
  });
});

Deno.test({
  name: "where apps are added later, a missing journal is an error of those that want it",
  ignore: existsSync(JOURNAL_SOCKET),
  fn: () => {
    using pipes = new DisposableStack();
    const { writeEnd } = pipe(pipes);
    withOutput(
      { severalApps: true, isMutable: true, stdout: writeEnd, stderr: writeEnd },
      ({ output }) => {
        const before = openDescriptors();
        const add = (app: string, to: LogPlan["to"]) =>
          output.addApp(app, { log: { ...DEFAULT_LOG, to }, syslog: makeDatagramSocket() });
        add("late", ["file"]);
        output.removeApp("late");
        const error = assertThrows(() => add("later", ["journald"]));
        assertEquals(openDescriptors(), before);
        assertMatch(
          describeError(error),
          /^stage1-volo\/log-to: \/run\/systemd\/journal\/socket: /,
        );
      },
    );
  },
});

Deno.test("a /dev/log with files in it stays open when its app is removed, and takes no more", () => {
  using undo = new DisposableStack();
  const directory = Deno.makeTempDirSync({ prefix: "volo-output-" });
  undo.defer(() => Deno.removeSync(directory, { recursive: true }));
  withCaller(true, ({ output, stderr }) => {
    const socket = makeDatagramSocket();
    bindSocket(socket, `${directory}/log`, 0o666);
    output.addApp("late", { log: DEFAULT_LOG, syslog: socket });
    using sender = connectDatagrams(`${directory}/log`);
    sendMessage(sender, bytes("<13>with a file"), [sender]);
    output.removeApp("late");
    assert(isOpen(socket.number));
    assertThrows(() => sendDatagram(sender, bytes("<13>more")), Error, "EPIPE");
    assertMatch(
      text(readAll(stderr)),
      /^run: app late: a message to \/dev\/log has files attached/,
    );
    socket[Symbol.dispose]();
  });
});

function openDescriptors(): string[] {
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => name).sort();
}

Deno.test("an app that is started again has not the pid of before", () => {
  withCaller(true, ({ output, stdout }) => {
    using first = output.openStream("web", "stdout", ROOT);
    output.appStarted("web", 7);
    write(first, "one\n");
    settle(output);
    output.appStarting("web");
    using again = output.openStream("web", "stdout", ROOT);
    write(again, "two\n");
    settle(output);
    assertEquals(linesOf(stdout), "web[7]: one\n");
    output.appStarted("web", 8);
    settle(output);
    assertEquals(linesOf(stdout), "web[8]: two\n");
  });
});

Deno.test("what an app has written that could not be started is passed on", () => {
  withCaller(true, ({ output, stdout }) => {
    using written = output.openStream("web", "stdout", ROOT);
    for (const over of [() => output.appStartEnded("web"), () => output.podEnded()]) {
      output.appStarting("web");
      write(written, "why\n");
      settle(output);
      assertEquals(linesOf(stdout), "");
      over();
      settle(output);
      assertEquals(linesOf(stdout), "web: why\n");
    }
  });
});

/** Reads all lines that have come, without their times. */
function linesOf(pipe: Pipe): string {
  return text(readAll(pipe)).replaceAll(/^\[.*?\] /gm, "");
}
