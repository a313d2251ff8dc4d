/**
 * What the four entrypoints have in common: how they begin and end.
 *
 * @module
 */

import { closeAllAtExec } from "../linux/close_all.ts";
import { warn } from "./log.ts";

/** The exit status that tells rkt of an error inside stage1. */
export const STAGE1_FAILURE = 254;

/**
 * Runs an entrypoint. No program that it starts or becomes inherits what the caller left open. An error
 * becomes one line on stderr and exit status 254, with the stack behind it only when `--debug` was given.
 *
 * @param name The entrypoint's name, which begins each of its lines.
 * @param main What it does with its arguments; returning means exit status 0.
 */
export function entrypoint(name: string, main: (args: readonly string[]) => void): void {
  try {
    closeAllAtExec();
    main(Deno.args);
    // All is done, and nothing waits; returning would have V8 tidied up first.
    Deno.exit(0);
  } catch (error) {
    try {
      warn(name, describeError(error));
      if (wantsDebug(Deno.args)) console.error(error);
    } finally {
      // In any case: a program that Deno ends would write a code cache, if it has found none.
      Deno.exit(STAGE1_FAILURE);
    }
  }
}

/**
 * An error and what caused it, in one line: `what: why`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const error = new Error("pid: cannot be read", { cause: new Error("no such file") });
 * assertEquals(describeError(error), "pid: cannot be read: no such file");
 * ```
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = error.cause === undefined
    ? error.message
    : `${error.message}: ${describeError(error.cause)}`;
  return text.replace(/\s*\n\s*/g, " ");
}

/** Asked of the raw arguments, since reading them may be what failed. */
function wantsDebug(args: readonly string[]): boolean {
  const flags = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  return flags.some((argument) => /^--?debug(=(1|t|true))?$/i.test(argument));
}
