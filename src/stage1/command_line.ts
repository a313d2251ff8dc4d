/**
 * What an entrypoint is to those who call it: its usage, its flags, and the texts about them, which
 * `--help` prints and from which the manual pages are made.
 *
 * @module
 */

import { type FlagSet, parseFlags } from "./flags.ts";

/** An entrypoint as it is called. */
export interface CommandLine {
  name: string;
  /** What stands behind the name: `[flags] UUID`. */
  usage: string;
  /** What it does, in a sentence. */
  does: string;
  flags: FlagSet;
}

/** The project's version: that in `deno.json`, as a test says. */
export const STAGE1_VERSION = "0.1.0";

/** The flag `--help`. */
export const HELP = { does: "prints this text" } as const;

/** The flag `--version`. */
export const VERSION_FLAG = { does: "prints the version" } as const;

const ASKS_FOR_TEXT = /^--?(?:help|version)(?:=|$)/;

/**
 * Returns the text that arguments ask for instead of what the entrypoint does.
 *
 * @returns `undefined` when they ask for none.
 * @throws {Error} when they ask for one, and a flag before that is wrong.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const pid = { value: "PID", does: "is the process" };
 * const flags = { pid, help: HELP, version: VERSION_FLAG };
 * const enter = { name: "enter", usage: "-- CMD", does: "Runs CMD.", flags };
 * assertEquals(textFor(["--version"], enter), "stage1-volo enter 0.1.0");
 * assertEquals(textFor(["--pid", "--version", "--", "ls", "--help"], enter), undefined);
 * ```
 */
export function textFor(args: readonly string[], command: CommandLine): string | undefined {
  // Nearly all calls ask for none.
  if (!args.some((argument) => ASKS_FOR_TEXT.test(argument))) return undefined;
  const { help, version } = parseFlags(args, command.flags).flags;
  if (help) return helpText(command);
  return version ? `stage1-volo ${command.name} ${STAGE1_VERSION}` : undefined;
}

/**
 * Formats what `--help` prints.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const flags = { force: { does: "kills" }, pid: { value: "PID", does: "is the process" } };
 * assertEquals(helpText({ name: "stop", usage: "[flags] UUID", does: "Ends a pod.", flags }), `\
 * Usage: stop [flags] UUID
 *
 * Ends a pod.
 *
 *   --force    kills
 *   --pid=PID  is the process`);
 * ```
 */
export function helpText({ name, usage, does, flags }: CommandLine): string {
  const rows = Object.entries(flags).map(([flag, { value, does }]): [string, string] => [
    value === undefined ? `--${flag}` : `--${flag}=${value}`,
    does,
  ]);
  const width = Math.max(...rows.map(([flag]) => flag.length));
  const lines = rows.map(([flag, does]) => `  ${flag.padEnd(width)}  ${does}`);
  return [`Usage: ${name} ${usage}`, "", does, "", ...lines].join("\n");
}
