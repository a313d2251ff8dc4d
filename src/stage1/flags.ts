/**
 * Command lines as Go's `flag` package reads them, which is how rkt writes them.
 *
 * One dash or two, `--x=v` or `--x v`, booleans bare or `=true`, flags end at `--` or at the first
 * argument that is none. No library for Deno reads single-dash words (`-debug`) this way.
 *
 * @module
 */

/** What a flag takes. */
export type FlagKind = "boolean" | "string";

/** The flags of a command: their names, without dashes, and what they take. */
export type FlagSet = Readonly<Record<string, FlagKind>>;

/** The values that were given; a flag that was not given is absent. */
export type FlagValues<S extends FlagSet> = {
  -readonly [K in keyof S]?: S[K] extends "boolean" ? boolean : string;
};

/** A command line, taken apart. */
export interface ParsedFlags<S extends FlagSet> {
  flags: FlagValues<S>;
  /** What follows the flags. */
  rest: string[];
}

const TRUE = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE = new Set(["0", "f", "F", "false", "FALSE", "False"]);

const FLAG = /^--?([^=-][^=]*)(?:=(.*))?$/s;

/**
 * Takes a command line apart.
 *
 * @param args The arguments, without the program's name.
 * @param known The flags that there are.
 * @throws {Error} when a flag is unknown, lacks its value, or has one that it cannot take.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const { flags, rest } = parseFlags(["-debug", "--pid", "7", "--", "ls", "-l"], {
 *   debug: "boolean",
 *   pid: "string",
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
    flags[name] = known[name] === "boolean"
      ? parseBoolean(name, value ?? "true")
      : value ?? takeValue(name, rest);
  }
  return { flags: flags as FlagValues<S>, rest };
}

function splitFlag(argument: string, known: FlagSet): { name: string; value: string | undefined } {
  const [, name, value] = FLAG.exec(argument) ?? [];
  if (name === undefined) throw new Error(`${argument}: not a flag`);
  if (!Object.hasOwn(known, name)) throw new Error(`--${name}: no such flag`);
  return { name, value };
}

function parseBoolean(name: string, value: string): boolean {
  if (TRUE.has(value)) return true;
  if (FALSE.has(value)) return false;
  throw new Error(`--${name}: ${JSON.stringify(value)} is neither true nor false`);
}

function takeValue(name: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined) throw new Error(`--${name}: its value is missing`);
  return value;
}
