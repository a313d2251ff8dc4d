/**
 * Why tests were skipped.
 *
 * @module
 */

/** What the name of a skipped test ends with, if it says what it lacks. */
const NEEDS = / \(needs (.*)\)$/;

/** The tests of one file that were skipped. */
export interface SkippedTests {
  /** The file. */
  readonly title: string;
  /** Their names. */
  readonly skipped: readonly string[];
}

/**
 * Counts skipped tests by what they need, and tells in which files they are; those whose names do
 * not say it come last, by their names.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const files = [
 *   { title: "a_test.ts", skipped: ["one (needs rkt)", "two (needs root, gpg)"] },
 *   { title: "b_test.ts", skipped: ["three (needs rkt)", "four"] },
 * ];
 * assertEquals(tellSkipped(files), [
 *   "2 need rkt: a_test.ts, b_test.ts",
 *   "1 needs root, gpg: a_test.ts",
 *   "b_test.ts: four",
 * ]);
 * ```
 */
export function tellSkipped(files: readonly SkippedTests[]): string[] {
  const all = files.flatMap(({ title, skipped }) =>
    skipped.map((name) => ({ title, name, need: NEEDS.exec(name)?.[1] }))
  );
  const groups = Map.groupBy(all.filter(({ need }) => need !== undefined), ({ need }) => need!);
  const counted = [...groups].map(([need, tests]) => {
    const titles = [...new Set(tests.map(({ title }) => title))].join(", ");
    return `${tests.length} ${tests.length === 1 ? "needs" : "need"} ${need}: ${titles}`;
  });
  const others = all.filter(({ need }) => need === undefined);
  return [...counted, ...others.map(({ title, name }) => `${title}: ${name}`)];
}
