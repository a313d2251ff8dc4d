/**
 * Counting tests: what `deno test` says in its last line, summed over several of its runs.
 *
 * @module
 */

import { stripVTControlCharacters } from "node:util";

/** How many tests there were, by outcome. */
export interface Tally {
  /** Tests that held. */
  readonly passed: number;
  /** Tests that did not, and runs that ended before they could say. */
  readonly failed: number;
  /** Tests that this machine has not what they need for. */
  readonly skipped: number;
}

/** No tests. */
export const NONE: Tally = { passed: 0, failed: 0, skipped: 0 };

/** One failure that is not a test's. */
export const FAILURE: Tally = { passed: 0, failed: 1, skipped: 0 };

/** As in `FAILED | 3 passed (2 steps) | 1 failed | 2 ignored (34ms)`. */
const SUMMARY = /^(?:ok|FAILED) \| (\d+) passed\b.*? \| (\d+) failed\b(?:.*? \| (\d+) ignored\b)?/;

/**
 * Reads the last summary in the output of `deno test`.
 *
 * @param output All that it printed, in colours or not.
 * @param success Whether it ended with exit status 0.
 * @returns The numbers; a run that failed without failed tests, or that has no summary, counts as
 *   one failure.
 */
export function readTally(output: string, success: boolean): Tally {
  const lines = stripVTControlCharacters(output).split("\n");
  const summary = lines.map((line) => SUMMARY.exec(line)).findLast((match) => match !== null);
  if (!summary) return FAILURE;
  const [passed = 0, failed = 0, skipped = 0] = summary.slice(1).map((text) => Number(text ?? 0));
  return { passed, failed: success ? failed : Math.max(failed, 1), skipped };
}

/**
 * Reads the names of skipped tests in the output of `deno test`.
 *
 * @param output All that it printed, in colours or not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const output = "a (needs root) ... ignored (0ms)\nb ... ok (1ms)\n";
 * assertEquals(readSkipped(output), ["a (needs root)"]);
 * ```
 */
export function readSkipped(output: string): string[] {
  const lines = stripVTControlCharacters(output).split("\n");
  return lines.map((line) => /^(.*) \.\.\. ignored\b/.exec(line)?.[1])
    .filter((name) => name !== undefined);
}

/** Adds up. */
export function sumTallies(tallies: readonly Tally[]): Tally {
  return tallies.reduce((a, b) => ({
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skipped: a.skipped + b.skipped,
  }), NONE);
}

/** Writes a tally as one line: `3 passed, 0 failed`, and how many were skipped if any were. */
export function formatTally({ passed, failed, skipped }: Tally): string {
  const rest = skipped === 0 ? "" : `, ${skipped} skipped`;
  return `${passed} passed, ${failed} failed${rest}`;
}
