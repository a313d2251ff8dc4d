/**
 * The variables of the environment that tasks heed. Empty ones count as not set.
 *
 * @module
 */

import { choice, existingFile, type Option, optional, text } from "./option.ts";
import { readEpoch } from "./project.ts";
import { wantsAll } from "./setup.mjs";

/** All of them. */
export const VARIABLES = {
  DENORT_BIN: existingFile("a runtime of your own for the entrypoints, as Deno calls it"),
  SOURCE_DATE_EPOCH: optional("SECONDS", {
    meaning: "the time of all files in the images",
    shown: "that of 2026-01-01",
    read: readEpoch,
  }),
  VOLO_KEY_PASSPHRASE: text("the passphrase of the key", "TEXT"),
  RKT: existingFile("the rkt program", "the one on PATH"),
  STAGE1: existingFile("another image to test in the place of dist/stage1-volo.aci"),
  STAGE1_ISOLATED: existingFile(
    "another image to test in the place of dist/stage1-volo-isolated.aci",
  ),
  VOLO_ALL: choice("1", ["1", "0"], {
    meaning: "also run the tests that need virtual machines or Debian's network plugins",
  }),
  CI: optional("true", {
    meaning: "the same, as continuous integration has it",
    read: (value) => wantsAll({ CI: value }),
  }),
  NO_COLOR: text("print no colours", "1"),
} satisfies Record<string, Option<unknown>>;

/** The name of a variable. */
export type VariableName = keyof typeof VARIABLES;

/** The variables of every task that builds images. */
export const BUILD_VARIABLES = ["DENORT_BIN", "SOURCE_DATE_EPOCH"] as const;

/** The variables of every task that tests. */
export const TEST_VARIABLES = [
  ...BUILD_VARIABLES,
  ...["STAGE1", "STAGE1_ISOLATED", "RKT", "VOLO_ALL", "CI"] as const,
] as const;

/** What is read from a variable. */
type Value<N extends VariableName> = (typeof VARIABLES)[N] extends Option<infer T> ? T : never;

/**
 * Reads a variable.
 *
 * @returns Its value; `undefined` when it is empty or not set.
 * @throws {Error} when it has a value that it cannot have; it names the variable.
 */
export function readVariable<N extends VariableName>(
  name: N,
  given = Deno.env.get(name),
): Value<N> | undefined {
  if (!given) return undefined;
  try {
    return VARIABLES[name].read(given) as Value<N>;
  } catch (cause) {
    throw new Error(name, { cause });
  }
}
