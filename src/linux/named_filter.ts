/**
 * System call filters in the words of manifests: the names of calls and errors.
 *
 * @module
 */

import { multiplexersOf, nativeName } from "./compat_syscalls.ts";
import { errnoNumber } from "./errno_table.ts";
import type {
  ArgumentRule,
  ArgumentTest,
  Mode,
  Multiplexer,
  SyscallFilter,
} from "./syscall_filter.ts";
import type { Abi, Architecture, CompatArchitecture } from "./syscall_numbers.ts";
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
 * Translates a filter into numbers of a 64-bit architecture.
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

/**
 * Translates a filter into numbers of a 32-bit architecture. A name stands for all calls there that
 * do the same, also for an operation of another call.
 *
 * @throws {RangeError} when Linux has no error of the filter's name.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const filter = { mode: "deny", syscalls: ["lseek", "mkdir"], errno: "EPERM" } as const;
 * const numbers = { lseek: 19, mkdir: 39, _llseek: 140 };
 * assertEquals(resolveCompatFilter(filter, "i386"), {
 *   mode: "deny",
 *   syscalls: Object.values(numbers),
 *   errno: 1,
 *   multiplexers: new Map(),
 * });
 * ```
 */
export function resolveCompatFilter(filter: NamedFilter, abi: CompatArchitecture): SyscallFilter {
  const { syscalls, rules } = filter;
  const listed = new Set(syscalls);
  return {
    ...resolveRefusals(filter, abi),
    syscalls: [...syscallTable(abi)].filter(([name]) => isMeant(name, listed))
      .map(([, number]) => number),
    ...(rules ? { rules: resolveRules(rules, abi) } : {}),
    multiplexers: resolveMultiplexers(listed, rules, abi),
  };
}

/**
 * Tells whether a list means a 32-bit call. To go through the calls is several times as fast as to
 * look up all names that the list's names might have.
 */
function isMeant(name: string, listed: ReadonlySet<string>): boolean {
  return listed.has(name) || listed.has(nativeName(name));
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

/** Lists the operations that the filter names. A call without such an operation is left out. */
function resolveMultiplexers(
  listed: ReadonlySet<string>,
  rules: NamedRules | undefined,
  abi: CompatArchitecture,
): Map<number, Multiplexer> {
  const multiplexers = new Map<number, Multiplexer>();
  for (const { name, mask, operations } of multiplexersOf(abi)) {
    const all = Object.entries(operations);
    const judged = all.filter(([name]) => !isMeant(name, listed) && rules?.[name] !== undefined);
    const multiplexer = {
      ...(mask === undefined ? {} : { mask }),
      operations: all.filter(([name]) => isMeant(name, listed)).map(([, operation]) => operation),
      refused: new Map(judged.map(([name, operation]) => [operation, refusalOf(rules![name]!)])),
    };
    if (multiplexer.operations.length + multiplexer.refused.size > 0) {
      multiplexers.set(syscallNumber(name, abi)!, multiplexer);
    }
  }
  return multiplexers;
}

/**
 * What a rule becomes for an operation, whose arguments no filter sees. After ENOSYS, a C library
 * may go on with the call that does nothing else.
 */
function refusalOf({ errno, test }: NamedRule): number {
  return requireErrno(test === undefined ? errno : "ENOSYS");
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
