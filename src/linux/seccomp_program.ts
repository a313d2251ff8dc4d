/**
 * System call filters as programs for the kernel's packet filter machine, "classic BPF": seccomp(2),
 * `linux/filter.h`.
 *
 * @module
 */

import { asBytes, type Bytes } from "./libc.ts";
import type { Architecture } from "./syscall_numbers.ts";

/** Which system calls a program may make. */
export interface SyscallFilter {
  /** Whether the calls listed are those that work, or those that are refused. */
  mode: "allow" | "deny";
  /** Numbers of calls, in any order. */
  syscalls: readonly number[];
  /** The number of the error that a refused call returns; without it, the call ends the process with SIGSYS. */
  errno?: number;
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
 */
export function assembleFilter(filter: SyscallFilter, architecture: Architecture): Instruction[] {
  // Written from its end, so that each jump is known to be as long as what there is already.
  const reversed: Instruction[] = [];
  appendSearch(intervalsOf(filter, architecture), reversed);
  reversed.push(
    instruction(LOAD_WORD, NUMBER_OFFSET),
    instruction(RETURN, SECCOMP_RET_KILL_PROCESS),
    instruction(JUMP_IF_EQUAL, AUDIT_ARCH[architecture], 1, 0),
    instruction(LOAD_WORD, ARCHITECTURE_OFFSET),
  );
  return reversed.reverse();
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
  const refusal = refusalOf(filter);
  const [ofListed, ofOthers] = filter.mode === "allow"
    ? [SECCOMP_RET_ALLOW, refusal]
    : [refusal, SECCOMP_RET_ALLOW];
  const intervals: Interval[] = [{ from: 0, verdict: ofOthers }];
  for (const number of [...new Set(filter.syscalls)].sort((a, b) => a - b)) {
    beginInterval(intervals, { from: number, verdict: ofListed });
    beginInterval(intervals, { from: number + 1, verdict: ofOthers });
  }
  if (architecture === "x86_64") {
    beginInterval(intervals, { from: X32_SYSCALL_BIT, verdict: refusal });
  }
  return intervals;
}

/** An interval that begins where the one before it does leaves nothing of that one. */
function beginInterval(intervals: Interval[], next: Interval): void {
  if (intervals.at(-1)!.from === next.from) intervals.pop();
  if (intervals.at(-1)?.verdict !== next.verdict) intervals.push(next);
}

function refusalOf({ errno }: SyscallFilter): number {
  return errno === undefined ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | errno;
}

/**
 * Which of the intervals from `first` to before `end` is the word in? In the program, the lower half of the search
 * follows each comparison, then the upper half.
 */
function appendSearch(
  intervals: readonly Interval[],
  reversed: Instruction[],
  first = 0,
  end = intervals.length,
): void {
  if (end - first === 1) {
    reversed.push(instruction(RETURN, intervals[first]!.verdict));
    return;
  }
  const middle = (first + end) >> 1;
  appendSearch(intervals, reversed, middle, end);
  const upper = reversed.length;
  appendSearch(intervals, reversed, first, middle);
  appendSkip(intervals[middle]!.from, reversed.length - upper, reversed);
}

/** Skips so many instructions when the word is `k` or more. */
function appendSkip(k: number, distance: number, reversed: Instruction[]): void {
  if (distance <= LONGEST_JUMP) {
    reversed.push(instruction(JUMP_IF_AT_LEAST, k, distance, 0));
  } else {
    reversed.push(instruction(JUMP, distance), instruction(JUMP_IF_AT_LEAST, k, 0, 1));
  }
}

function instruction(code: number, k: number, jt = 0, jf = 0): Instruction {
  return { code, jt, jf, k };
}
