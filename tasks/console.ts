/**
 * The tasks' output: a line for each step, with a progress figure on terminals.
 *
 * @module
 */

import { SIGPIPE } from "../src/linux/signal_numbers.ts";
import { ROOT } from "./project.ts";

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

/**
 * Returns the command by which a user runs another task: by npm, for whoever has run this one by
 * npm, or by the Deno that npm has installed.
 */
export function taskCommand(task: string): string {
  const npm = Deno.env.get("npm_lifecycle_event") !== undefined ||
    Deno.execPath().startsWith(`${ROOT}/node_modules/`);
  return `${npm ? "npm run deno -- " : "deno "}task ${task}`;
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
  try {
    for (let written = 0; written < bytes.length;) {
      written += Deno.stdout.writeSync(bytes.subarray(written));
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    // Whoever read this has gone, as `head` does. A shell shows the same status for SIGPIPE.
    Deno.exit(128 + SIGPIPE);
  }
}
