/**
 * The kernel's packet filter machine, as far as system call filters use it, for tests of what
 * becomes of a call.
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";
import { type NamedFilter, resolveCompatFilter, resolveFilter } from "./named_filter.ts";
import {
  AND,
  ARCHITECTURE_OFFSET,
  argumentOffset,
  assembleFilter,
  AUDIT_ARCH,
  encodeProgram,
  type Instruction,
  JUMP,
  JUMP_IF_AT_LEAST,
  JUMP_IF_EQUAL,
  LOAD_WORD,
  NUMBER_OFFSET,
  programLength,
  RETURN,
} from "./seccomp_program.ts";
import type { SyscallFilter } from "./syscall_filter.ts";
import { type Architecture, COMPAT_ARCHITECTURES } from "./syscall_numbers.ts";
import { syscallNumber } from "./syscall_table.ts";

/** Returns a filter's verdict on a native call. */
export function verdictOf(
  filter: SyscallFilter,
  architecture: Architecture,
  number: number,
  args: readonly bigint[] = [],
): number {
  const program = assembleFilter(filter, architecture);
  return interpret(program, AUDIT_ARCH[architecture], number, args).verdict;
}

/** Returns a filter's verdict on a call of the machine's 32-bit architecture, given by name. */
export function compatVerdictOf(
  filter: NamedFilter,
  architecture: Architecture,
  name: string,
  args: readonly bigint[] = [],
): number {
  const abi = COMPAT_ARCHITECTURES[architecture];
  const program = assembleFilter({
    ...resolveFilter(filter, architecture),
    compat: resolveCompatFilter(filter, abi),
  }, architecture);
  return interpret(program, AUDIT_ARCH[abi], syscallNumber(name, abi)!, args).verdict;
}

/**
 * Runs a program, as it is encoded, on a call. Returns its verdict, after how many instructions,
 * and whether it loaded an argument.
 */
export function interpret(
  program: readonly Instruction[],
  architecture: number,
  number: number,
  args: readonly bigint[] = [],
): { verdict: number; steps: number; looked: boolean } {
  const instructions = decodeProgram(encodeProgram(program));
  const data = describeCall(architecture, number, args);
  let word = 0;
  let steps = 0;
  let looked = false;
  for (let at = 0;; at++) {
    steps++;
    const { code, jt, jf, k } = instructions[at]!;
    if (code === RETURN) return { verdict: k, steps, looked };
    else if (code === LOAD_WORD) {
      word = data.getUint32(k, true);
      looked ||= k > ARCHITECTURE_OFFSET;
    } else if (code === AND) word = (word & k) >>> 0;
    else if (code === JUMP) at += k;
    else if (code === JUMP_IF_EQUAL) at += word === k ? jt : jf;
    else if (code === JUMP_IF_AT_LEAST) at += word >= k ? jt : jf;
    else throw new Error(`unknown instruction ${code}`);
  }
}

/** `struct seccomp_data`. */
function describeCall(architecture: number, number: number, args: readonly bigint[]): DataView {
  const data = new DataView(new ArrayBuffer(argumentOffset(6)));
  data.setUint32(NUMBER_OFFSET, number, true);
  data.setUint32(ARCHITECTURE_OFFSET, architecture, true);
  args.forEach((argument, i) => data.setBigUint64(argumentOffset(i), argument, true));
  return data;
}

function decodeProgram(encoded: Bytes): Instruction[] {
  const view = new DataView(encoded.buffer);
  return Array.from({ length: programLength(encoded) }, (_, i) => ({
    code: view.getUint16(i * 8, true),
    jt: view.getUint8(i * 8 + 2),
    jf: view.getUint8(i * 8 + 3),
    k: view.getUint32(i * 8 + 4, true),
  }));
}
