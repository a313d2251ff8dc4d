/**
 * System call filters as manifests have them: by the names of calls and errors.
 *
 * @module
 */

import { errnoNumber } from "./errno_table.ts";
import type { SyscallFilter } from "./seccomp_program.ts";
import type { Architecture } from "./syscall_numbers.ts";
import { syscallNumber } from "./syscall_table.ts";

/** A {@linkcode SyscallFilter} in names. */
export interface NamedFilter {
  /** Whether the calls named are those that work, or those that are refused. */
  mode: "allow" | "deny";
  /** Names of calls; what the architecture does not have is passed over. */
  syscalls: readonly string[];
  /** The name of the error that a refused call returns; without it, the call ends the process with SIGSYS. */
  errno?: string;
}

/**
 * The filter in numbers.
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
export function resolveFilter(
  { mode, syscalls, errno }: NamedFilter,
  architecture: Architecture,
): SyscallFilter {
  const numbers = syscalls.map((name) => syscallNumber(name, architecture))
    .filter((number) => number !== undefined);
  if (errno === undefined) return { mode, syscalls: numbers };
  const number = errnoNumber(errno);
  if (number === undefined) throw new RangeError(`${JSON.stringify(errno)} is no error of Linux`);
  return { mode, syscalls: numbers, errno: number };
}
