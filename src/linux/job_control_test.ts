import "./libc_testing.ts";
import { stopWith } from "./job_control.ts";
import { SIGKILL, SIGTERM } from "./signal_numbers.ts";

Deno.test("a signal that stops nobody but a traced child is not followed", () => {
  // It would end this process.
  for (const signal of [SIGTERM, SIGKILL]) stopWith(Deno.pid, signal);
});
