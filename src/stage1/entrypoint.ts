/**
 * The beginning and the end that the entrypoints have in common.
 *
 * @module
 */

import { closeAllAtExec } from "../linux/close_all.ts";
import { ownVariable } from "../linux/proc.ts";
import { resetSignal } from "../linux/signal_actions.ts";
import { SIGCHLD } from "../linux/signal_numbers.ts";
import { type CommandLine, textFor } from "./command_line.ts";
import { exactArguments } from "./exact_arguments.ts";
import { print, warn } from "./log.ts";

/** The exit status by which rkt knows an error inside stage1. */
export const STAGE1_FAILURE = 254;

/** The variable that has the effect of `--debug`. */
const DEBUG_VARIABLE = "STAGE1_VOLO_DEBUG";

/** How many functions of an error's stack are kept. By default, these are ten. */
const DEEPEST_STACK = 100;

/** An error whose line has been written already. */
export class ToldError extends Error {
  /** @param cause The error that the line is about. */
  constructor(cause: unknown) {
    super("told already", { cause });
  }
}

/**
 * Runs an entrypoint, or prints the text about it that its arguments ask for. Descriptors that the
 * caller left open are closed in all programs that the entrypoint executes. An error becomes one
 * line on stderr and exit status 254; with `--debug`, a line with the functions follows in which it
 * arose.
 *
 * @param command The entrypoint as it is called. Each of its lines begins with its name.
 * @param main The entrypoint itself, called with its arguments. When it returns, the exit status is
 * 0.
 */
export function entrypoint(command: CommandLine, main: (args: readonly string[]) => void): void {
  const byVariable = asksForDebug();
  const isDebug = byVariable || wantsDebug(Deno.args);
  if (isDebug) Error.stackTraceLimit = DEEPEST_STACK;
  try {
    closeAllAtExec();
    // A caller may ignore it, and the kernel would then forget how this process's children end.
    resetSignal(SIGCHLD);
    const args = exactArguments(Deno.args);
    const text = textFor(args, command);
    if (text !== undefined) print(text);
    else main(byVariable ? ["--debug", ...args] : args);
    // Returning would take longer: V8 would clean up first.
    Deno.exit(0);
  } catch (error) {
    try {
      if (!(error instanceof ToldError)) warn(command.name, describeError(error));
      if (isDebug) warn(command.name, describeStack(error));
    } finally {
      // Exit even when the lines above fail: a program that returns to Deno may write a code cache.
      Deno.exit(STAGE1_FAILURE);
    }
  }
}

/**
 * Formats an error and its causes in one line: `what: why`.
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

/**
 * Formats the stack of an error's first cause in one line: the functions, the innermost first.
 * Places would say nothing, as a bundle has few lines.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const cause = new Error("no such file");
 * cause.stack = "Error: no such file\n    at open (file:///run.js:1:2)\n    at read (run.js:3:4)";
 * assertEquals(describeStack(new Error("pid", { cause })), "at open, read");
 * ```
 */
export function describeStack(error: unknown): string {
  if (!(error instanceof Error)) return "at no known function";
  if (error.cause !== undefined) return describeStack(error.cause);
  const frames = (error.stack ?? "").matchAll(/^ +at (?:async |new )?([^ ]+) \(/gm);
  return `at ${[...frames].map(([, name]) => name).join(", ")}`;
}

/**
 * Tells whether the caller's environment asks for `--debug`: rkt passes its own flag to `run` and
 * `gc` alone.
 */
function asksForDebug(): boolean {
  return /^(1|t|true)$/i.test(ownVariable(DEBUG_VARIABLE) ?? "");
}

/** Tells whether `--debug` is given. It reads the raw arguments: parsing them may have failed. */
function wantsDebug(args: readonly string[]): boolean {
  const flags = args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
  return flags.some((argument) => /^--?debug(=(1|t|true))?$/i.test(argument));
}
