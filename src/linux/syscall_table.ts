/**
 * All system calls by name, so that a manifest can name any of them.
 *
 * @module
 */

import { ELSEWHERE, SYSCALL_LISTS } from "./syscall_lists.ts";
import type { Abi } from "./syscall_numbers.ts";

const tables = new Map<Abi, ReadonlyMap<string, number>>();

/**
 * Returns the number of a system call.
 *
 * @returns `undefined` when the architecture has no such call.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(syscallNumber("mkdir", "x86_64"), 83);
 * assertEquals(syscallNumber("mkdir", "aarch64"), undefined);
 * assertEquals(syscallNumber("mkdirat", "aarch64"), 34);
 * assertEquals(syscallNumber("mkdir", "i386"), 39);
 * ```
 */
export function syscallNumber(name: string, abi: Abi): number | undefined {
  return syscallTable(abi).get(name);
}

/** Checks whether any architecture of Linux has a system call of this name. */
export function isSyscall(name: string): boolean {
  const abis = Object.keys(SYSCALL_LISTS) as Abi[];
  return abis.some((abi) => syscallTable(abi).has(name)) || wordsOf(ELSEWHERE).includes(name);
}

/**
 * Returns the numbers of all calls of an architecture by their names. Parsed when first asked for:
 * most apps have no filter.
 */
export function syscallTable(abi: Abi): ReadonlyMap<string, number> {
  const known = tables.get(abi);
  if (known !== undefined) return known;
  const table = parseTable(SYSCALL_LISTS[abi]);
  tables.set(abi, table);
  return table;
}

function parseTable(text: string): Map<string, number> {
  const table = new Map<string, number>();
  let number = 0;
  for (const word of wordsOf(text)) {
    if (/^[0-9]+$/.test(word)) number = Number(word);
    else table.set(word, number++);
  }
  return table;
}

function wordsOf(text: string): string[] {
  return text.trim().split(/\s+/);
}
