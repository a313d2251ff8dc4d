/**
 * Arguments that are not UTF-8, for which the runtime would panic. The launcher hands over a
 * placeholder for each: `image/launcher.c`.
 *
 * @module
 */

import { ownArguments } from "../linux/proc.ts";
import { withContext } from "./context.ts";

/**
 * The placeholder. An argument that just looks like it is found in /proc like the others, so it
 * need not be an unlikely one. It is unlikely so that /proc is rarely looked at.
 */
const NOT_UTF8 = "(an argument that is not UTF-8)";

/**
 * Returns the arguments as the caller passed them: where one is not UTF-8, as the kernel has them.
 *
 * @param args The arguments as the runtime got them.
 * @param own Reads the kernel's, which begin with the name of the program.
 * @throws {Error} when one is not UTF-8, and /proc cannot be read.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const placeholder = "(an argument that is not UTF-8)";
 * assertEquals(exactArguments(["a", placeholder], () => ["run", "a", "\udcff"]), ["a", "\udcff"]);
 * ```
 */
export function exactArguments(args: readonly string[], own = ownArguments): readonly string[] {
  if (!args.includes(NOT_UTF8)) return args;
  return withContext("an argument that is not UTF-8: cannot be read", own).slice(-args.length);
}
