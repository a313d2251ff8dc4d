/**
 * System call filters as programs for the kernel's packet filter machine, "classic BPF": seccomp(2),
 * `linux/filter.h`.
 *
 * @module
 */

import { errnoNumber } from "./errno_table.ts";
import { asBytes, type Bytes } from "./libc.ts";
import { type Architecture, syscallNumber } from "./syscall_table.ts";

/** Which system calls a program may make. */
export interface SyscallFilter {
  /** Whether the calls named are those that work, or those that are refused. */
  mode: "allow" | "deny";
  /** Names of calls; what the architecture does not have is passed over. */
  syscalls: readonly string[];
  /** The name of the error that a refused call returns; without it, the call ends the process with SIGSYS. */
  errno?: string;
}

/** One instruction: `struct sock_filter`. */
export interface Instruction {
  code: number;
  /** How many instructions a conditional jump skips when its condition holds: 255 at most. */
  jt: number;
  /** How many it skips otherwise. */
  jf: number;
  k: number;
}

/** `BPF_LD | BPF_W | BPF_ABS`: loads a word of the call's description. */
export const LOAD_WORD = 0x20;
/** `BPF_JMP | BPF_JA`: skips `k` instructions. */
export const JUMP = 0x05;
/** `BPF_JMP | BPF_JEQ | BPF_K`: is the word `k`? */
export const JUMP_IF_EQUAL = 0x15;
/** `BPF_JMP | BPF_JGE | BPF_K`: is the word, unsigned, `k` or more? */
export const JUMP_IF_AT_LEAST = 0x35;
/** `BPF_RET | BPF_K`: ends with the verdict `k`. */
export const RETURN = 0x06;

/** Where `struct seccomp_data` has the call's number. */
export const NUMBER_OFFSET = 0;
/** Where it has the architecture that the call was made for. */
export const ARCHITECTURE_OFFSET = 4;

export const SECCOMP_RET_KILL_PROCESS = 0x8000_0000;
export const SECCOMP_RET_ERRNO = 0x0005_0000;
export const SECCOMP_RET_ALLOW = 0x7fff_0000;

/** `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64`: `linux/audit.h`. */
export const AUDIT_ARCH: Readonly<Record<Architecture, number>> = {
  x86_64: 0xc000_003e,
  aarch64: 0xc000_00b7,
};

/** On x86-64, this bit in a number asks for the x32 ABI: the same calls once more. */
const X32_SYSCALL_BIT = 0x4000_0000;

/** The most that a conditional jump can skip. */
const LONGEST_JUMP = 255;

/** `struct sock_filter` in bytes. */
const INSTRUCTION_SIZE = 8;

/** Numbers from one on, up to where the next verdict begins. */
interface Interval {
  from: number;
  verdict: number;
}

/**
 * The program of a filter.
 *
 * Calls for another architecture, which has other numbers, end the process whatever the filter says. Calls of
 * the x32 ABI are refused.
 *
 * Numbers with the same verdict lie in a few dozen intervals, in which the program searches by halves: six or
 * seven comparisons a call, where a list of names would take hundreds.
 *
 * @throws {RangeError} when Linux has no error of the filter's name.
 */
export function assembleFilter(filter: SyscallFilter, architecture: Architecture): Instruction[] {
  return [
    instruction(LOAD_WORD, ARCHITECTURE_OFFSET),
    instruction(JUMP_IF_EQUAL, AUDIT_ARCH[architecture], 1, 0),
    instruction(RETURN, SECCOMP_RET_KILL_PROCESS),
    instruction(LOAD_WORD, NUMBER_OFFSET),
    ...search(intervalsOf(filter, architecture)),
  ];
}

/** The program as the kernel reads it: an array of `struct sock_filter`. */
export function encodeProgram(program: readonly Instruction[]): Bytes {
  const words = program.flatMap(({ code, jt, jf, k }) => [code | jt << 16 | jf << 24, k]);
  return asBytes(new Uint32Array(words));
}

/** How many instructions an encoded program has. */
export function programLength(encoded: Bytes): number {
  return encoded.length / INSTRUCTION_SIZE;
}

function intervalsOf(filter: SyscallFilter, architecture: Architecture): Interval[] {
  const listed = new Set(
    filter.syscalls.map((name) => syscallNumber(name, architecture))
      .filter((number) => number !== undefined),
  );
  const refusal = refusalOf(filter);
  const verdict = (number: number) => {
    if (architecture === "x86_64" && number >= X32_SYSCALL_BIT) return refusal;
    return listed.has(number) === (filter.mode === "allow") ? SECCOMP_RET_ALLOW : refusal;
  };
  const edges = new Set([0, X32_SYSCALL_BIT, ...[...listed].flatMap((n) => [n, n + 1])]);
  return [...edges].sort((a, b) => a - b)
    .map((from) => ({ from, verdict: verdict(from) }))
    .filter((interval, i, all) => interval.verdict !== all[i - 1]?.verdict);
}

function refusalOf({ errno }: SyscallFilter): number {
  if (errno === undefined) return SECCOMP_RET_KILL_PROCESS;
  const number = errnoNumber(errno);
  if (number === undefined) throw new RangeError(`${JSON.stringify(errno)} is no error of Linux`);
  return SECCOMP_RET_ERRNO | number;
}

/** Which interval is the word in? The lower half of the program follows each comparison, then the upper. */
function search(intervals: readonly Interval[]): Instruction[] {
  const [only, ...others] = intervals;
  if (others.length === 0) return [instruction(RETURN, only!.verdict)];
  const middle = intervals.length >> 1;
  const below = search(intervals.slice(0, middle));
  const above = search(intervals.slice(middle));
  return [...skipIfAtLeast(intervals[middle]!.from, below.length), ...below, ...above];
}

function skipIfAtLeast(k: number, distance: number): Instruction[] {
  if (distance <= LONGEST_JUMP) return [instruction(JUMP_IF_AT_LEAST, k, distance, 0)];
  return [instruction(JUMP_IF_AT_LEAST, k, 0, 1), instruction(JUMP, distance)];
}

function instruction(code: number, k: number, jt = 0, jf = 0): Instruction {
  return { code, jt, jf, k };
}
