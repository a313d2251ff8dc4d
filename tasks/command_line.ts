/**
 * How a task is called: one declaration, from which its arguments are read, and its help is
 * written.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { flag, meant, type Option } from "./option.ts";
import { readVariable, type VariableName } from "./variables.ts";

/** What may stand beside the options of a task. */
export interface Operands {
  /** What stands for them in help, such as `IMAGE…`. */
  readonly name: string;
  /** What they are. */
  readonly meaning: string;
  /** How many there may be. */
  readonly most: number;
  /**
   * Checks one of them.
   *
   * @throws {Error} when it is wrong; it names the operand, and says why.
   */
  readonly check?: (operand: string) => void;
}

/** Options by their names, without dashes. */
export type Options = Readonly<Record<string, Option<unknown>>>;

/** How a task is called. */
export interface CommandLine<O extends Options = Options> {
  /** The task's name. */
  readonly name: string;
  /** What it does, in a few sentences. */
  readonly purpose: string;
  /** Its options; `--debug` and `--help` are every task's. */
  readonly options: O;
  /** What may stand beside them; nothing when absent. */
  readonly operands?: Operands;
  /** What may follow `--`, for somebody else; when absent, operands. */
  readonly rest?: { readonly name: string; readonly meaning: string };
  /** The variables that it heeds. */
  readonly variables?: readonly VariableName[];
  /** Arguments that show how it is used. */
  readonly examples?: readonly string[];
}

/** The values of options. */
type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never;
};

/** The arguments of a task. */
export interface Arguments<O extends Options> {
  /** The values of its options. */
  readonly options: Values<O> & Values<typeof COMMON_OPTIONS>;
  /** What stands beside them. */
  readonly operands: readonly string[];
  /** What follows `--`, if the task has that. */
  readonly rest: readonly string[];
}

/** The error of a task that is called in a way that it cannot be. */
export class WrongUse extends Error {}

/** The options of every task. */
export const COMMON_OPTIONS = {
  debug: flag("show where an error comes from"),
  help: flag("show this"),
} satisfies Options;

/** Tells whether a task's help is asked for. */
export function asksForHelp(args: readonly string[]): boolean {
  const own = beforeRest(args);
  return own.includes("--help") || own.includes("-h");
}

/** Returns the arguments before `--`. */
function beforeRest(args: readonly string[]): readonly string[] {
  return args.includes("--") ? args.slice(0, args.indexOf("--")) : args;
}

/**
 * Reads the arguments of a task, and checks its variables.
 *
 * @throws {WrongUse} when there is no such option, when an option is given twice, lacks its value,
 *   or has one that it cannot have, when there are operands that the task does not take, or when a
 *   variable is wrong.
 */
export function readArguments<O extends Options>(
  { options: own, operands, rest, variables = [] }: Omit<CommandLine<O>, "name" | "purpose">,
  args: readonly string[],
): Arguments<O> {
  const options: Options = { ...own, ...COMMON_OPTIONS };
  const parsed = parse(options, args, rest !== undefined);
  const values = Object.entries(options).map(([name, option]) =>
    [name, readOption(name, option, parsed[name])] as const
  );
  const found = parsed._ as string[];
  checkOperands(found, operands);
  for (const name of variables) wrongly(() => readVariable(name));
  return {
    options: Object.fromEntries(values) as Arguments<O>["options"],
    operands: found,
    rest: parsed["--"] as string[] ?? [],
  };
}

/** Parses arguments: the value of an option is a list of all that it was given, a flag's too. */
function parse(
  options: Options,
  args: readonly string[],
  hasRest: boolean,
): Record<string, unknown> {
  const names = Object.keys(options);
  refuseFlagsWithValues(options, args);
  return parseArgs(args, {
    boolean: names.filter((name) => isFlag(options[name]!)),
    string: ["_", ...names.filter((name) => !isFlag(options[name]!))],
    collect: names,
    "--": hasRest,
    unknown: (argument, key) => {
      if (key === undefined) return;
      const given = argument.replace(/=.*$/s, "");
      const known = names.map((name) => `--${name}`);
      throw new WrongUse(`${given}: there is no such option${meant(given, known)}`);
    },
  });
}

function isFlag({ value }: Option<unknown>): boolean {
  return value === undefined;
}

/** Refuses `--flag=value`, of which the parser would make a flag that is given, or not. */
function refuseFlagsWithValues(options: Options, args: readonly string[]): void {
  for (const argument of beforeRest(args)) {
    const [, name] = /^--([^=]+)=/.exec(argument) ?? [];
    if (name !== undefined && Object.hasOwn(options, name) && isFlag(options[name]!)) {
      throw new WrongUse(`--${name}: takes no value`);
    }
  }
}

function readOption(name: string, option: Option<unknown>, given: unknown): unknown {
  const all = (given ?? []) as readonly (string | boolean)[];
  if (all.length > 1) throw new WrongUse(`--${name}: is given ${all.length} times`);
  const [value] = all;
  if (value === undefined) return option.fallback;
  if (value === "") throw new WrongUse(`--${name}: needs a value`);
  return wrongly(() => option.read(String(value)), `--${name}`);
}

function checkOperands(found: readonly string[], operands: Operands | undefined): void {
  const excess = found[operands?.most ?? 0];
  if (excess !== undefined) {
    const limit = operands === undefined ? "no arguments beside options" : `one ${operands.name}`;
    throw new WrongUse(`${excess}: is too much, as the task takes ${limit}`);
  }
  for (const operand of found) wrongly(() => operands?.check?.(operand));
}

/** Does something, whose error is then one of use. */
function wrongly<T>(work: () => T, what?: string): T {
  try {
    return work();
  } catch (error) {
    if (what !== undefined) throw new WrongUse(what, { cause: error });
    const { message, cause } = error as Error;
    throw new WrongUse(message, { cause });
  }
}
