/**
 * A parser for command lines in the form of Go's `flag` package, which is the form that rkt writes.
 *
 * Flags have one dash or two; values follow as `--x=v` or `--x v`; booleans are bare or `=true`.
 * Flags end at `--`, or at the first argument that is no flag. No library for Deno takes
 * single-dash words (`-debug`) for flags.
 *
 * @module
 */

import { quoteText } from "../linux/text.ts";

/** A flag, for whoever uses it. */
export interface FlagRule {
  /** What its value is, `DIR`; a flag without it is true or false. */
  value?: string;
  /** What it does, as the rest of a sentence. */
  does: string;
}

/** The flags of a command, by their names without dashes. */
export type FlagSet = Readonly<Record<string, FlagRule>>;

/** The values of the flags that were given. */
export type FlagValues<S extends FlagSet> = {
  -readonly [K in keyof S]?: S[K] extends { value: string } ? string : boolean;
};

/** A parsed command line. */
export interface ParsedFlags<S extends FlagSet> {
  flags: FlagValues<S>;
  /** The arguments behind the flags. */
  rest: string[];
}

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);

const FLAG = /^--?([^=-][^=]*)(?:=(.*))?$/s;

/**
 * Parses a command line.
 *
 * @param args The arguments, without the entrypoint's name.
 * @param known The flags that the command has.
 * @throws {Error} when a flag is unknown, or when its value is missing or of the wrong type.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const { flags, rest } = parseFlags(["-debug", "--pid", "7", "--", "ls", "-l"], {
 *   debug: { does: "shows each step" },
 *   pid: { value: "PID", does: "is the process" },
 * });
 * assertEquals(flags, { debug: true, pid: "7" });
 * assertEquals(rest, ["ls", "-l"]);
 * ```
 */
export function parseFlags<const S extends FlagSet>(
  args: readonly string[],
  known: S,
): ParsedFlags<S> {
  const flags: Record<string, boolean | string> = {};
  const rest = [...args];
  while (rest[0] !== undefined && rest[0].length > 1 && rest[0].startsWith("-")) {
    const argument = rest.shift()!;
    if (argument === "--") break;
    const { name, value } = splitFlag(argument, known);
    flags[name] = known[name]!.value === undefined
      ? parseBoolean(name, value ?? "true")
      : value ?? takeValue(name, rest);
  }
  return { flags: flags as FlagValues<S>, rest };
}

function splitFlag(argument: string, known: FlagSet): { name: string; value: string | undefined } {
  const [, name, value] = FLAG.exec(argument) ?? [];
  if (name === undefined) throw new Error(`${argument}: not a flag`);
  if (!Object.hasOwn(known, name)) {
    throw new Error(`--${name}: no such flag: --help shows what there is`);
  }
  return { name, value };
}

function parseBoolean(name: string, value: string): boolean {
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw new Error(`--${name}: ${quoteText(value)} is neither true nor false`);
}

function takeValue(name: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined) throw new Error(`--${name}: its value is missing`);
  return value;
}
