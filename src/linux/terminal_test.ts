import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import type { Bytes } from "./bytes.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_DIRECTORY, O_PATH, openFile } from "./open.ts";
import { POLLIN, waitForEvents } from "./poll.ts";
import { readAvailable } from "./stream.ts";
import {
  foregroundGroup,
  isTerminal,
  openPty,
  type Pty,
  RawMode,
  setWindowSize,
  windowSize,
} from "./terminal.ts";

const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_CMD_CREATE = 6;

const bytes = (text: string): Bytes => new TextEncoder().encode(text);

function withPty(act: (pty: Pty) => void): void {
  using devpts = openFile("/dev/pts", O_PATH | O_DIRECTORY);
  const pty = openPty(devpts);
  using _master = pty.master;
  using _slave = pty.slave;
  act(pty);
}

function write(fd: number, text: string): void {
  syscall("write", fd, bytes(text), text.length);
}

Deno.test("a slave is the terminal of that number, and closed with its master", () => {
  withPty(({ master, slave, number }) => {
    assertEquals([isTerminal(master.number), isTerminal(slave.number)], [true, true]);
    assertEquals(Deno.readLinkSync(`/proc/self/fd/${slave.number}`), `/dev/pts/${number}`);
  });
});

Deno.test("neither a file nor what is closed is a terminal", () => {
  using file = openFile("/dev/null", O_PATH);
  assertEquals([isTerminal(file.number), isTerminal(1_000_000)], [false, false]);
});

Deno.test("a raw terminal passes on every byte, and is then as it was", () => {
  withPty(({ master, slave }) => {
    {
      using _raw = new RawMode(slave.number);
      write(master.number, "\x03\x04\r");
      assertEquals(readAvailable(slave.number, 100), bytes("\x03\x04\r"));
      write(slave.number, "a\n");
      assertEquals(readAvailable(master.number, 100), bytes("a\n"));
    }
    write(slave.number, "a\n");
    assertEquals(readAvailable(master.number, 100), bytes("a\r\n"));
  });
});

Deno.test("a terminal that fails in the middle is given back as it was", () => {
  withPty(({ master, slave }) => {
    assertThrows(() => {
      using _raw = new RawMode(slave.number);
      throw new Error("in the middle");
    }, Error);
    write(master.number, "x");
    waitForEvents([{ fd: master.number, events: POLLIN }], 10_000);
    assertEquals(readAvailable(master.number, 100), bytes("x"), "it does not echo");
  });
});

Deno.test("a window's size is what was set on the other side", () => {
  withPty(({ master, slave }) => {
    const size = { rows: 50, columns: 132, width: 1320, height: 800 };
    setWindowSize(master.number, size);
    assertEquals(windowSize(slave.number), size);
  });
});

Deno.test("a master whose slave is closed has its end", () => {
  using devpts = openFile("/dev/pts", O_PATH | O_DIRECTORY);
  const { master, slave } = openPty(devpts);
  using _master = master;
  write(slave.number, "last");
  slave[Symbol.dispose]();
  assertEquals(readAvailable(master.number, 100), bytes("last"));
  assertEquals(readAvailable(master.number, 100), new Uint8Array(0));
});

Deno.test("a terminal that controls another session has no foreground for this one", () => {
  withPty(({ slave }) => assertEquals(foregroundGroup(slave.number), undefined));
  using file = openFile("/dev/null", O_PATH);
  assertEquals(foregroundGroup(file.number), undefined);
});

Deno.test({
  name: "a pair can be made in a devpts that is mounted nowhere",
  ignore: Deno.uid() !== 0,
  fn: () => {
    using context = new Fd(syscall("fsopen", "devpts", FSOPEN_CLOEXEC));
    syscall("fsconfig", context.number, FSCONFIG_CMD_CREATE, null, null, 0);
    using devpts = new Fd(syscall("fsmount", context.number, FSMOUNT_CLOEXEC, 0));
    const { master, slave, number } = openPty(devpts);
    using _master = master;
    using _slave = slave;
    assertEquals([number, isTerminal(slave.number)], [0, true]);
  },
});
