import { assertEquals } from "@std/assert";
import { FAILURE, formatTally, readTally, sumTallies } from "./tally.ts";

Deno.test("the summary of deno test is read", () => {
  const output = "a ... ok (1ms)\n\nok | 3 passed | 0 failed (12ms)\n";
  assertEquals(readTally(output, true), { passed: 3, failed: 0, skipped: 0 });
});

Deno.test("steps, ignored tests and colours are understood", () => {
  const output = "\x1b[31mFAILED\x1b[0m | 13 passed (2 steps) | 1 failed (1 step) | " +
    "4 ignored | 2 filtered out \x1b[2m(9s)\x1b[0m\n\nerror: Test failed\n";
  assertEquals(readTally(output, false), { passed: 13, failed: 1, skipped: 4 });
});

Deno.test("the last summary counts: earlier ones are what tests printed", () => {
  const output = "ok | 99 passed | 0 failed (1ms)\nok | 1 passed | 0 failed (2ms)\n";
  assertEquals(readTally(output, true).passed, 1);
});

Deno.test("a run that crashed counts as a failure", () => {
  assertEquals(readTally("error: Type checking failed.\n", false), FAILURE);
  assertEquals(readTally("", true), FAILURE);
  const leaked = "ok | 1 passed | 0 failed (2ms)\n";
  assertEquals(readTally(leaked, false), { passed: 1, failed: 1, skipped: 0 });
});

Deno.test("tallies are summed and written in one line", () => {
  const one = { passed: 1, failed: 0, skipped: 0 };
  assertEquals(formatTally(sumTallies([one, one])), "2 passed, 0 failed");
  const skipped = { passed: 0, failed: 1, skipped: 2 };
  assertEquals(formatTally(sumTallies([one, skipped])), "1 passed, 1 failed, 2 skipped");
});
