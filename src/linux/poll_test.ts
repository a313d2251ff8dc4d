import "./libc_testing.ts";
import { assertEquals, assertThrows } from "@std/assert";
import { SyscallError } from "./errno.ts";
import { openProcess } from "./pidfd.ts";
import { POLLIN, POLLOUT, waitForEvents } from "./poll.ts";
import { makeOutputPipe, writeAvailable } from "./stream.ts";

const POLLHUP = 0x10;

Deno.test("waitForEvents() tells only what is asked for and there", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _read = readEnd;
  using _write = writeEnd;
  const both = [
    { fd: readEnd.number, events: POLLIN },
    { fd: writeEnd.number, events: POLLOUT },
  ];
  assertEquals(waitForEvents(both), [{ fd: writeEnd.number, events: POLLOUT }]);
  writeAvailable(writeEnd.number, Uint8Array.of(1));
  assertEquals(waitForEvents(both), both);
});

Deno.test("waitForEvents() gives up when its time is over", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _read = readEnd;
  using _write = writeEnd;
  const before = performance.now();
  assertEquals(waitForEvents([{ fd: readEnd.number, events: POLLIN }], 20), []);
  assertEquals(performance.now() - before >= 19, true);
});

Deno.test("waitForEvents() tells of an end that nobody asked for", () => {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _read = readEnd;
  writeEnd[Symbol.dispose]();
  assertEquals(waitForEvents([{ fd: readEnd.number, events: 0 }]), [
    { fd: readEnd.number, events: POLLHUP },
  ]);
});

Deno.test("waitForEvents() refuses what is not open instead of telling it for ever", () => {
  const error = assertThrows(() => waitForEvents([{ fd: 1_000_000, events: POLLIN }]));
  assertEquals(
    (error as SyscallError).message,
    'ppoll("descriptor 1000000"): EBADF, not an open file descriptor',
  );
});

Deno.test("a process that is held is readable when it has ended", async () => {
  const child = new Deno.Command("cat", { stdin: "piped", stdout: "null" }).spawn();
  using held = openProcess(child.pid)!;
  const ended = [{ fd: held.number, events: POLLIN }];
  assertEquals(waitForEvents(ended, 0), []);
  child.kill("SIGKILL");
  assertEquals(waitForEvents(ended, 10_000), ended);
  await child.stdin.close();
  await child.status;
});
