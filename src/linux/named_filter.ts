/**
 * System call filters in the words of manifests: the names of calls and errors.
 *
 * @module
 */

import { errnoNumber } from "./errno_table.ts";
import type { ArgumentRule, ArgumentTest, Mode, SyscallFilter } from "./syscall_filter.ts";
import type { Abi, Architecture } from "./syscall_numbers.ts";
import { syscallNumber, syscallTable } from "./syscall_table.ts";

/** A {@linkcode SyscallFilter} in names. */
export interface NamedFilter {
  /** Whether the named calls are those that work, or those that are refused. */
  mode: Mode;
  /** Names of calls. A name that the architecture does not have is skipped. */
  syscalls: readonly string[];
  /**
   * Calls for which an argument decides, by name. A call that is in `syscalls` as well has no rule.
   */
  rules?: NamedRules;
  /**
   * The name of the error that a refused call returns. Without it, the call ends the process with
   * SIGSYS.
   */
  errno?: string;
  /**
   * The name of the error that a call returns which nobody knows, such as a newer one. Without it,
   * the call is refused like any other. Only for lists of calls that work.
   */
  errnoOfUnknown?: string;
}

/** Rules by the names of their calls. */
export type NamedRules = Readonly<Record<string, NamedRule>>;

/** An {@linkcode ArgumentRule} in names. */
export interface NamedRule {
  /**
   * The name of the error that the call returns where it is refused, also if the filter ends
   * processes.
   */
  errno: string;
  /** When the call works. Without a test, it never works. */
  test?: ArgumentTest;
}

/**
 * Translates a filter into numbers.
 *
 * @throws {RangeError} when Linux has no error of the filter's name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const filter = { mode: "deny", syscalls: ["mkdir", "mkdirat"], errno: "EPERM" } as const;
 * assertEquals(resolveFilter(filter, "aarch64"), { mode: "deny", syscalls: [34], errno: 1 });
 * ```
 */
export function resolveFilter(filter: NamedFilter, architecture: Architecture): SyscallFilter {
  const { syscalls, rules } = filter;
  return {
    ...resolveRefusals(filter, architecture),
    syscalls: numbersOf(syscalls, architecture),
    ...(rules ? { rules: resolveRules(rules, architecture) } : {}),
  };
}

function resolveRefusals({ mode, errno, errnoOfUnknown }: NamedFilter, abi: Abi) {
  const refusals = { mode, ...(errno === undefined ? {} : { errno: requireErrno(errno) }) };
  if (errnoOfUnknown === undefined) return refusals;
  const known = [...syscallTable(abi).values()];
  return { ...refusals, unknown: { known, errno: requireErrno(errnoOfUnknown) } };
}

function numbersOf(names: readonly string[], abi: Abi): number[] {
  return names.map((name) => syscallNumber(name, abi)).filter((number) => number !== undefined);
}

/**
 * Translates rules into numbers, by the numbers of their calls.
 *
 * @throws {RangeError} when Linux has no error of a rule's name.
 */
export function resolveRules(
  rules: NamedRules,
  abi: Abi,
): Map<number, ArgumentRule> {
  const resolved = new Map<number, ArgumentRule>();
  for (const [name, rule] of Object.entries(rules)) {
    const number = syscallNumber(name, abi);
    if (number !== undefined) resolved.set(number, { ...rule, errno: requireErrno(rule.errno) });
  }
  return resolved;
}

function requireErrno(name: string): number {
  const number = errnoNumber(name);
  if (number === undefined) throw new RangeError(`${JSON.stringify(name)} is no error of Linux`);
  return number;
}
