/**
 * The help of a task, written from its declaration.
 *
 * @module
 */

import { type CommandLine, COMMON_OPTIONS } from "./command_line.ts";
import { taskCommand } from "./console.ts";
import type { Option } from "./option.ts";
import { VARIABLES } from "./variables.ts";
import { wrap } from "./wrap.ts";

/** The most columns of a line. */
const COLUMNS = 100;

/** What one line of a list is about, and what is said of it. */
type Entry = readonly [what: string, text: string];

/** Writes one line: how a task is called. */
export function formatUsage({ name, options, operands, rest }: CommandLine): string {
  const parts = [
    Object.keys(options).length > 0 ? " [OPTION…]" : "",
    operands ? ` [${operands.name}]` : "",
    rest ? ` [-- ${rest.name}]` : "",
  ];
  return `Usage: ${taskCommand(name)}${parts.join("")}`;
}

/** Writes what `--help` prints. */
export function formatHelp(command: CommandLine): string {
  const { name, purpose, options, operands, rest, variables = [], examples = [] } = command;
  const others: Entry[] = [];
  if (operands) others.push([operands.name, operands.meaning]);
  if (rest) others.push([rest.name, rest.meaning]);
  const optionEntries = Object.entries({ ...options, ...COMMON_OPTIONS }).map(describeOption);
  const variableEntries = [...variables, "NO_COLOR" as const].map((variable) =>
    describe(variable, VARIABLES[variable])
  );
  const width = Math.max(
    ...[...others, ...optionEntries, ...variableEntries].map(([what]) => what.length),
  );
  const list = (title: string, entries: readonly Entry[]) =>
    entries.length === 0
      ? []
      : ["", title, ...entries.flatMap((entry) => formatEntry(entry, width))];
  const shown = examples.map((example) => `  ${taskCommand(`${name} ${example}`.trimEnd())}`);
  return [
    formatUsage(command),
    "",
    ...wrap(purpose, COLUMNS),
    ...list("Arguments", others),
    ...list("Options", optionEntries),
    ...list("Variables of the environment", variableEntries),
    ...(shown.length > 0 ? ["", "For example", ...shown] : []),
  ].join("\n");
}

function describeOption([name, option]: readonly [string, Option<unknown>]): Entry {
  return describe(`--${name}`, option);
}

function describe(name: string, { value, meaning, shown }: Option<unknown>): Entry {
  const what = value === undefined ? name : `${name}=${value}`;
  return [what, shown === undefined ? meaning : `${meaning} (default: ${shown})`];
}

function formatEntry([what, text]: Entry, width: number): string[] {
  const [first = "", ...more] = wrap(text, COLUMNS - width - 4);
  const indent = " ".repeat(width + 4);
  return [`  ${what.padEnd(width)}  ${first}`, ...more.map((line) => indent + line)];
}
