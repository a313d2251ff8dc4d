import "../linux/libc_testing.ts";
import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import type { Bytes } from "../linux/bytes.ts";
import type { Fd } from "../linux/fd.ts";
import { syscall } from "../linux/libc.ts";
import { O_DIRECTORY, O_NONBLOCK, O_PATH, O_WRONLY, openFile } from "../linux/open.ts";
import { pathOf } from "../linux/path.ts";
import { POLLIN, waitForEvents } from "../linux/poll.ts";
import { makeOutputPipe, readAvailable, writeAvailable } from "../linux/stream.ts";
import { openPty, type Pty, setWindowSize, windowSize } from "../linux/terminal.ts";
import { Console } from "./console.ts";

const bytes = (text: string): Bytes => new TextEncoder().encode(text);
const text = (bytes: Bytes | undefined) => new TextDecoder().decode(bytes);
const WINDOW = { rows: 40, columns: 100, width: 0, height: 0 };

const TCGETS = 0x5401;
/** Of the local flags, which begin at the twelfth byte. */
const ECHO = 0o10;

/** A terminal; its sides are closed with the stack, unless the test has done it. */
interface Terminal extends Pty {
  closeMaster: () => void;
  closeSlave: () => void;
}

interface Session {
  console: Console;
  /** A person sits at the master; the slave is the caller's. */
  caller: Terminal;
  /** The console has the master; the slave is the app's. */
  app: Terminal;
}

function terminal(stack: DisposableStack): Terminal {
  using devpts = openFile("/dev/pts", O_PATH | O_DIRECTORY);
  const { master, slave, number } = openPty(devpts);
  const [masters, slaves] = [new DisposableStack(), new DisposableStack()];
  masters.use(master);
  slaves.use(slave);
  stack.use(masters);
  stack.use(slaves);
  const closeMaster = () => masters.dispose();
  const closeSlave = () => slaves.dispose();
  return { master, slave, number, closeMaster, closeSlave };
}

const unheard = (text: string) => {
  throw new Error(text);
};

/** A person at a terminal, where an interactive pod runs. */
function withSession(act: (session: Session) => void): void {
  using stack = new DisposableStack();
  const caller = terminal(stack);
  const app = terminal(stack);
  setWindowSize(caller.master.number, WINDOW);
  const fd = caller.slave.number;
  using console = new Console({ master: app.master, input: fd, output: fd, warn: unheard });
  act({ console, caller, app });
}

/** What the supervisor does, as long as there is something to do at once. */
function settle(console: Console): void {
  for (;;) {
    const ready = waitForEvents(console.interests(), 0);
    if (ready.length === 0) return;
    console.onReady(ready);
  }
}

function write(fd: Fd, content: string): void {
  syscall("write", fd.number, bytes(content), content.length);
}

function read(fd: Fd): string {
  return text(readAvailable(fd.number, 65_536));
}

/** Whether a terminal shows what is typed, as terminals do that are not raw. */
function echoes({ slave }: Terminal): boolean {
  const termios = new Uint8Array(36);
  syscall("ioctl", slave.number, TCGETS, termios);
  return (termios[12]! & ECHO) !== 0;
}

Deno.test("what is typed gets to the app, and is shown by its terminal alone", () => {
  withSession(({ console, caller, app }) => {
    write(caller.master, "Saluton\r");
    settle(console);
    assertEquals(text(readAvailable(app.slave.number, 100)), "Saluton\n");
    settle(console);
    assertEquals(read(caller.master), "Saluton\r\n");
    write(app.slave, "Received\n");
    settle(console);
    assertEquals(read(caller.master), "Received\r\n");
  });
});

Deno.test("the app's terminal is as large as the caller's, from the start and later", () => {
  withSession(({ console, caller, app }) => {
    assertEquals(windowSize(app.slave.number), WINDOW);
    const larger = { ...WINDOW, rows: 60 };
    setWindowSize(caller.master.number, larger);
    console.resize();
    assertEquals(windowSize(app.slave.number), larger);
  });
});

Deno.test("it is done when the app has closed its terminal, and all has been shown", () => {
  withSession(({ console, caller, app }) => {
    write(app.slave, "bye\n");
    app.closeSlave();
    assertEquals(console.isDone, false);
    settle(console);
    assertEquals([console.isDone, read(caller.master)], [true, "bye\r\n"]);
    write(caller.master, "too late\r");
    assertEquals(console.interests(), []);
  });
});

Deno.test("what is typed for an app that has just gone hurts nobody", () => {
  withSession(({ console, caller, app }) => {
    write(caller.master, "too late\r");
    app.closeSlave();
    settle(console);
    assertEquals(console.isDone, true);
  });
});

Deno.test("the caller's terminal is given back, also after an error", () => {
  using stack = new DisposableStack();
  const caller = terminal(stack);
  const app = terminal(stack);
  const fd = caller.slave.number;
  const options = { master: app.master, input: fd, output: fd, warn: unheard };
  assertThrows(
    () => {
      using _console = new Console(options);
      assertEquals(echoes(caller), false);
      throw new Error("in the middle");
    },
    Error,
    "in the middle",
  );
  assertEquals(echoes(caller), true);

  const { readEnd, writeEnd } = makeOutputPipe();
  stack.use(readEnd);
  stack.use(writeEnd);
  assertThrows(() => new Console({ ...options, master: readEnd }), Error, "ioctl(): ENOTTY");
  assertEquals(echoes(caller), true);
});

Deno.test("while nothing is shown, the app has to wait, and loses nothing", () => {
  withSession(({ console, caller, app }) => {
    using own = openFile(`/proc/self/fd/${app.slave.number}`, O_WRONLY | O_NONBLOCK);
    const block = bytes("0123456789abcde\n".repeat(64));
    let total = 0;
    for (let written = -1; written !== 0; total += written) {
      written = writeAvailable(own.number, block);
      settle(console);
    }
    const shown: string[] = [];
    for (let more = read(caller.master); more !== ""; more = read(caller.master)) {
      shown.push(more);
      settle(console);
    }
    assertEquals(shown.join("").replaceAll("\r\n", "\n").length, total);
  });
});

Deno.test("the keys that end a pod are noticed", () => {
  withSession(({ console, caller }) => {
    write(caller.master, "\x1d\x1d");
    settle(console);
    assertEquals(console.hasEscaped, false);
    write(caller.master, "\x1d");
    settle(console);
    assertEquals(console.hasEscaped, true);
  });
});

Deno.test("when the caller's terminal is hung up, the app's input ends", () => {
  withSession(({ console, caller, app }) => {
    caller.closeMaster();
    settle(console);
    assertEquals(readAvailable(app.slave.number, 100), new Uint8Array(0));
    write(app.slave, "nobody sees this");
    settle(console);
    console.resize();
    app.closeSlave();
    settle(console);
    assertEquals(console.isDone, true);
  });
});

/** Lets the app do something, and reads until it has shown that. */
function readUntil(console: Console, { master }: Terminal, expected: RegExp): string {
  let shown = "";
  while (!expected.test(shown)) {
    const interests = [...console.interests(), { fd: master.number, events: POLLIN }];
    const ready = waitForEvents(interests, 10_000);
    if (ready.length === 0) throw new Error(`only this is shown: ${JSON.stringify(shown)}`);
    console.onReady(ready);
    shown += read(master);
  }
  return shown;
}

Deno.test("a shell has a terminal of its own, whose keys reach its jobs", async () => {
  using stack = new DisposableStack();
  const caller = terminal(stack);
  const app = terminal(stack);
  setWindowSize(caller.master.number, WINDOW);
  // Who leads a session and opens a terminal has it as the controlling one.
  const session = new Deno.Command("setsid", {
    args: ["--wait", "sh", "-c", 'exec sh -i <>"$0" >&0 2>&0', pathOf(app.slave)],
    env: { PS1: "ready> " },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const fd = caller.slave.number;
  {
    using console = new Console({ master: app.master, input: fd, output: fd, warn: unheard });
    readUntil(console, caller, /ready> $/);
    app.closeSlave();
    write(caller.master, "stty size\r");
    assertMatch(readUntil(console, caller, /ready> $/), /\r\n40 100\r\n/);
    write(caller.master, "sh -c 'echo started; exec sleep 1000'\r");
    readUntil(console, caller, /\r\nstarted\r\n/);
    write(caller.master, "\x03");
    readUntil(console, caller, /ready> $/);
    write(caller.master, "exit\r");
    while (!console.isDone) {
      const ready = waitForEvents(console.interests(), 10_000);
      if (ready.length === 0) throw new Error("the shell does not end");
      console.onReady(ready);
    }
  }
  assertEquals((await session.status).code, 130);
  assertEquals(echoes(caller), true);
});
