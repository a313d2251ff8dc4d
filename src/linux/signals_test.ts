import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import { syscall } from "./libc.ts";
import { POLLIN, waitForEvents } from "./poll.ts";
import { SIGWINCH } from "./signal_numbers.ts";
import { openSignals, readSignals, signalSet } from "./signals.ts";
import { makeOutputPipe } from "./stream.ts";

const SIGPIPE = 13;
const SIG_SETMASK = 2;

Deno.test("signal 1 is the lowest bit of a set, and 64 the highest", () => {
  assertEquals(signalSet([1, 9]), Uint8Array.of(1, 1, 0, 0, 0, 0, 0, 0));
  assertEquals(signalSet([64]), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128));
});

/** A thread gets SIGPIPE from its own write, so no other thread can take the signal. */
function breakPipe(): void {
  const { readEnd, writeEnd } = makeOutputPipe();
  using _write = writeEnd;
  readEnd[Symbol.dispose]();
  try {
    syscall("write", writeEnd.number, Uint8Array.of(1), 1);
  } catch {
    // EPIPE, which comes with the signal.
  }
}

Deno.test("a signal waits to be read, with its sender", () => {
  const before = new Uint8Array(8);
  syscall("rt_sigprocmask", SIG_SETMASK, null, before, 8);
  try {
    using signals = openSignals([SIGPIPE, SIGWINCH]);
    const come = [{ fd: signals.number, events: POLLIN }];
    assertEquals([waitForEvents(come, 0), readSignals(signals)], [[], []]);
    breakPipe();
    assertEquals(waitForEvents(come, 0), come);
    assertEquals(readSignals(signals), [{
      number: SIGPIPE,
      pid: Deno.pid,
      isKernels: false,
      value: 0,
    }]);
    assertEquals(readSignals(signals), []);
  } finally {
    syscall("rt_sigprocmask", SIG_SETMASK, before, null, 8);
  }
});
