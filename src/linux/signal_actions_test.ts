import "./libc_testing.ts";
import { assertEquals } from "@std/assert";
import type { Call } from "./libc.ts";
import { isIgnored, resetSignal, restoreSignals } from "./signal_actions.ts";
import { SIGHUP, SIGPIPE } from "./signal_numbers.ts";

Deno.test("only what is ignored on the way to a program is restored", () => {
  const calls: unknown[] = [];
  const call: Call = (name, first) => calls.push([name, first]);
  restoreSignals(call);
  assertEquals(calls, [
    ["rt_sigaction", 13],
    ["rt_sigaction", 32],
    ["rt_sigaction", 33],
    ["rt_sigprocmask", 2],
  ]);
});

Deno.test("isIgnored() tells what resetSignal() changes", () => {
  // Deno ignores it, and needs that only where it writes to a closed pipe.
  assertEquals([isIgnored(SIGPIPE), isIgnored(SIGHUP)], [true, false]);
  using _handled = handle("SIGHUP");
  assertEquals(isIgnored(SIGHUP), false);
  resetSignal(SIGHUP);
  assertEquals(isIgnored(SIGHUP), false);
});

/** Handles a signal until the end of the `using` scope. */
function handle(signal: Deno.Signal): Disposable {
  const handler = () => {};
  Deno.addSignalListener(signal, handler);
  return { [Symbol.dispose]: () => Deno.removeSignalListener(signal, handler) };
}
