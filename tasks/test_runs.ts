/**
 * Runs of `deno test`, side by side. Of one whose tests hold there is a line; of others, all that
 * they printed, whole.
 *
 * @module
 */

import { colourSettings, formatSeconds, paint, say } from "./console.ts";
import { ROOT } from "./project.ts";
import { FAILURE, formatTally, readSkipped, readTally, type Tally } from "./tally.ts";

/** One run. */
export interface TestRun {
  /** What is tested, for the line that tells of it. */
  readonly title: string;
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Variables that it has in addition to the task's. */
  readonly env?: Readonly<Record<string, string>>;
}

/** How a run ended. */
export interface RunEnd {
  /** What was tested. */
  readonly title: string;
  readonly tally: Tally;
  /** The names of the tests that were skipped. */
  readonly skipped: readonly string[];
}

/**
 * Does work for each item, so many at a time; each begins in its turn.
 *
 * @param width How many go on at a time.
 * @returns The results, in the order of the items.
 * @throws {AggregateError} when some of it failed, once all has ended.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(await sideBySide([1, 2, 3], 2, (n) => Promise.resolve(n * n)), [1, 4, 9]);
 * ```
 */
export async function sideBySide<T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const errors: unknown[] = [];
  const waiting = items.entries();
  const worker = async () => {
    // An iterator is shared: each worker takes what no other has taken.
    for (const [index, item] of waiting) {
      try {
        results[index] = await work(item);
      } catch (error) {
        errors.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
  if (errors.length > 0) throw new AggregateError(errors);
  return results;
}

/**
 * Runs tests to their end, and prints a line about them; before it, if one failed, what they
 * printed.
 *
 * @param showsAll Whether to print what they print in any case, as it comes.
 */
export async function runTestsOf(test: TestRun, showsAll: boolean): Promise<RunEnd> {
  const { title } = test;
  const start = performance.now();
  const { output, success } = await run(test, showsAll);
  const tally = readTally(output, success);
  if (tally.failed > 0 && !showsAll) say(`\n${output.trimEnd()}`);
  tellEnd(`${title}: ${formatTally(tally)}`, tally.failed === 0, start);
  return { title, tally, skipped: readSkipped(output) };
}

/**
 * Runs a program that tests need, beside other runs, and prints a line about it; before it, if it
 * failed, what it printed.
 *
 * @returns Whether it succeeded.
 */
export async function prepareTests(preparation: TestRun): Promise<boolean> {
  const start = performance.now();
  const { output, success } = await run(preparation, false);
  if (!success) say(`\n${output.trimEnd()}`);
  tellEnd(preparation.title, success, start);
  return success;
}

function tellEnd(what: string, success: boolean, start: number): void {
  const word = success ? paint("green", "✓") : paint("red", "✗");
  say(`${word} ${what} ${paint("dim", formatSeconds(performance.now() - start))}`);
}

/** Stands for tests that could not be run at all. */
export function failedRun(title: string): RunEnd {
  return { title, tally: FAILURE, skipped: [] };
}

/** Both streams of a program are one: what it says of a failure stands where that happened. */
async function run(
  { command, env }: TestRun,
  showsAll: boolean,
): Promise<{ output: string; success: boolean }> {
  const child = new Deno.Command("sh", {
    args: ["-c", 'exec "$@" 2>&1', "sh", ...command],
    cwd: ROOT,
    env: { ...colourSettings(), ...env },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  const [shown, read] = child.stdout.tee();
  const output = new Response(read).text();
  if (showsAll) await shown.pipeTo(Deno.stdout.writable, { preventClose: true });
  else await shown.cancel();
  return { output: await output, success: (await child.status).success };
}
