/**
 * The tasks' output: a line for each step, with a progress figure on terminals, and one-line
 * errors.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { describeError } from "../src/stage1/entrypoint.ts";

const encoder = new TextEncoder();

/** The parameters of the escape sequences for colours: console_codes(4). */
const COLOURS = { green: 32, red: 31, dim: 2, bold: 1 } as const;

/** The interval between two drawings of a progress figure, in milliseconds. */
const REDRAW = 100;

/** Colours text, if the output is a terminal and `NO_COLOR` is not set. */
export function paint(colour: keyof typeof COLOURS, text: string): string {
  if (Deno.noColor || !Deno.stdout.isTerminal()) return text;
  return `\x1b[${COLOURS[colour]}m${text}\x1b[0m`;
}

/** Returns variables by which a program whose output is a pipe uses colours where a task does. */
export function colourSettings(): Record<string, string> {
  return Deno.noColor || !Deno.stdout.isTerminal() ? { NO_COLOR: "1" } : { FORCE_COLOR: "1" };
}

/** Prints one line. */
export function say(line = ""): void {
  write(`${line}\n`);
}

/** Called with how far a step has come: two numbers of the same unit. */
export type Progress = (done: number, total: number) => void;

/**
 * Does one step, and prints a line about it with the time that it took. On a terminal the line is
 * there from the start, and shows the step's progress.
 *
 * @throws Whatever `work` throws, after a line that the step has failed.
 */
export async function step<T>(
  title: string,
  work: (progress: Progress) => T | Promise<T>,
): Promise<T> {
  const start = performance.now();
  const finish = (mark: string) => {
    const time = paint("dim", formatSeconds(performance.now() - start));
    redraw(`${mark} ${title} ${time}`);
    say();
  };
  try {
    const result = await work(drawProgress(title));
    finish(paint("green", "✓"));
    return result;
  } catch (error) {
    finish(paint("red", "✗"));
    throw error;
  }
}

/** Formats a time in milliseconds for people. */
export function formatSeconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Formats a size in bytes for people. */
export function formatSize(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Returns the command by which a user runs another task: npm's, if npm has run this one. */
export function taskCommand(task: string): string {
  const npm = Deno.env.get("npm_lifecycle_event") !== undefined;
  return `${npm ? "npm run deno -- " : "deno "}task ${task}`;
}

/** The options that a task knows. */
export interface TaskOptions<B extends string, S extends string> {
  /** Flags that take no value. */
  boolean?: readonly B[];
  /** Flags that take a value. */
  string?: readonly S[];
  /** The text that `--help` prints. */
  usage: string;
}

/** The parsed arguments of a task: see {@linkcode taskArguments}. */
export type TaskArguments<B extends string, S extends string> =
  & { [K in B]: boolean }
  & { [K in S]: string | undefined }
  & { _: string[] };

/**
 * Parses a task's arguments. Every task has `--debug` and `--help`; the latter prints and exits.
 *
 * @throws {Error} when the task has no such option, or when an option lacks its value.
 */
export function taskArguments<const B extends string = never, const S extends string = never>(
  args: readonly string[],
  options: TaskOptions<B, S>,
): TaskArguments<B, S> {
  const parsed = parseArgs(args, {
    boolean: ["debug", "help", ...options.boolean ?? []],
    string: ["_", ...options.string ?? []],
    unknown: (argument, key) => {
      if (key !== undefined) throw new Error(`${argument}: there is no such option`);
    },
  });
  const values: Record<string, unknown> = parsed;
  for (const name of options.string ?? []) {
    if (values[name] === "") throw new Error(`--${name}: needs a value`);
  }
  if (parsed.help) {
    say(options.usage);
    Deno.exit(0);
  }
  return parsed as unknown as TaskArguments<B, S>;
}

/**
 * Runs a task, and exits with the status that it returns. An error becomes one line, `TASK: what:
 * why`, and exit status 1; with `--debug`, its stack follows.
 */
export async function runTask(
  name: string,
  main: (args: string[]) => number | void | Promise<number | void>,
): Promise<never> {
  try {
    Deno.exit(await main(Deno.args) ?? 0);
  } catch (error) {
    console.error(`${name}: ${describeError(error)}`);
    if (Deno.args.includes("--debug")) console.error(error);
    Deno.exit(1);
  }
}

function drawProgress(title: string): Progress {
  if (!Deno.stdout.isTerminal()) return () => {};
  redraw(`• ${title}`);
  let last = performance.now();
  return (done, total) => {
    if (performance.now() - last < REDRAW) return;
    last = performance.now();
    redraw(`• ${title} ${paint("dim", `${Math.floor(100 * done / total)} %`)}`);
  };
}

/** Replaces the current line, if the output is a terminal. */
function redraw(line: string): void {
  write(Deno.stdout.isTerminal() ? `\r\x1b[K${line}` : line);
}

function write(text: string): void {
  const bytes = encoder.encode(text);
  for (let written = 0; written < bytes.length;) {
    written += Deno.stdout.writeSync(bytes.subarray(written));
  }
}
