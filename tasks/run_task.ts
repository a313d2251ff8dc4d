/**
 * The beginning and the end that all tasks have in common.
 *
 * @module
 */

import { describeError } from "../src/stage1/entrypoint.ts";
import {
  type Arguments,
  asksForHelp,
  type CommandLine,
  type Options,
  readArguments,
  WrongUse,
} from "./command_line.ts";
import { say, taskCommand } from "./console.ts";
import { formatHelp, formatUsage } from "./help.ts";

/** The exit status of a task that failed. */
const FAILED = 1;

/** The exit status of a task that was called wrongly, as a shell's built-in commands have it. */
const USED_WRONGLY = 2;

/**
 * Runs a task, and exits with the status that it returns, or 0.
 *
 * `--help` is answered with exit status 0, and wrong use with 2, before the task begins. An error
 * becomes one line, `TASK: what: why`, and exit status 1; with `--debug`, its stack follows.
 *
 * @param command How the task is called.
 * @param main The task itself.
 */
export async function runTask<const O extends Options>(
  command: CommandLine<O>,
  main: (args: Arguments<O>) => number | void | Promise<number | void>,
): Promise<never> {
  if (asksForHelp(Deno.args)) {
    say(formatHelp(command));
    Deno.exit(0);
  }
  return await runProgram(command.name, async () => {
    try {
      return await main(readArguments(command, Deno.args));
    } catch (error) {
      if (!(error instanceof WrongUse)) throw error;
      tell(command.name, error);
      console.error(formatUsage(command));
      console.error(`       ${taskCommand(`${command.name} --help`)} shows what there is.`);
      return USED_WRONGLY;
    }
  });
}

/**
 * Runs a part of a task that is a program of its own, and exits with the status that it returns.
 * Errors are told as {@linkcode runTask} tells them.
 *
 * @param name The task's name.
 */
export async function runProgram(
  name: string,
  main: (args: string[]) => number | void | Promise<number | void>,
): Promise<never> {
  try {
    Deno.exit(await main(Deno.args) ?? 0);
  } catch (error) {
    tell(name, error);
    Deno.exit(FAILED);
  }
}

function tell(name: string, error: unknown): void {
  console.error(`${name}: ${describeError(error)}`);
  if (Deno.args.includes("--debug")) console.error(error);
}
