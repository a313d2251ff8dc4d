/**
 * System call filters as programs for the kernel's packet filter machine, "classic BPF":
 * seccomp(2), `linux/filter.h`.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import {
  type ArgumentRule,
  type Mode,
  type Multiplexer,
  type Pass,
  PASS_ARGUMENTS,
  type ProcessFilter,
  type SyscallFilter,
} from "./syscall_filter.ts";
import { type Abi, type Architecture, COMPAT_ARCHITECTURES } from "./syscall_numbers.ts";

/** One instruction: `struct sock_filter`. */
export interface Instruction {
  code: number;
  /** How many instructions a conditional jump skips when its condition holds: at most 255. */
  jt: number;
  /** How many it skips otherwise. */
  jf: number;
  k: number;
}

/** `BPF_LD | BPF_W | BPF_ABS`: loads a word of the call's description. */
export const LOAD_WORD = 0x20;
/** `BPF_ALU | BPF_AND | BPF_K`: keeps the bits of the word that are set in `k`. */
export const AND = 0x54;
/** `BPF_JMP | BPF_JA`: skips `k` instructions. */
export const JUMP = 0x05;
/** `BPF_JMP | BPF_JEQ | BPF_K`: compares whether the word is `k`. */
export const JUMP_IF_EQUAL = 0x15;
/** `BPF_JMP | BPF_JGE | BPF_K`: compares whether the word, unsigned, is at least `k`. */
export const JUMP_IF_AT_LEAST = 0x35;
/** `BPF_RET | BPF_K`: ends with the verdict `k`. */
export const RETURN = 0x06;

/** The offset of the call's number in `struct seccomp_data`. */
export const NUMBER_OFFSET = 0;
/** The offset of the architecture that the call was made for. */
export const ARCHITECTURE_OFFSET = 4;
/** The offset of the arguments. */
const ARGUMENTS_OFFSET = 16;
/** An argument in bytes. On both architectures, the lower half comes first. */
const ARGUMENT_SIZE = 8;

export const SECCOMP_RET_KILL_PROCESS = 0x8000_0000;
export const SECCOMP_RET_ERRNO = 0x0005_0000;
export const SECCOMP_RET_ALLOW = 0x7fff_0000;

/** `AUDIT_ARCH_X86_64` and its like: `linux/audit.h`. */
export const AUDIT_ARCH: Readonly<Record<Abi, number>> = {
  x86_64: 0xc000_003e,
  aarch64: 0xc000_00b7,
  i386: 0x4000_0003,
  arm: 0x4000_0028,
};

/** On x86-64, this bit in a number selects the x32 ABI: the same calls once more. */
const X32_SYSCALL_BIT = 0x4000_0000;

/** The largest word. */
const LAST_WORD = 0xffff_ffff;

/** The most instructions that a conditional jump can skip. */
const LONGEST_JUMP = 255;

/** `struct sock_filter` in bytes. */
const INSTRUCTION_SIZE = 8;

/** What becomes of a call: a verdict, or a further condition. */
type Outcome = number | Selection | Passage;

/** Verdicts by the value of an argument. */
interface Selection {
  argument: number;
  /** The bits that count; all without it. */
  mask?: number | undefined;
  verdicts: ReadonlyMap<number, number>;
  /** The verdict on all other values. */
  ofOthers: number;
}

/** One outcome for a call with the words, and another for a call without them. */
interface Passage {
  words: Pass["words"];
  passed: Outcome;
  otherwise: Outcome;
}

/** Numbers from one on, up to where the next interval begins. */
interface Interval {
  from: number;
  outcome: Outcome;
}

/**
 * Assembles the program of a filter.
 *
 * Calls of the machine's 32-bit architecture are numbered differently: the filter for them is a
 * part of its own. A call of any other architecture ends the process, and calls of the x32 ABI are
 * refused; where the filter has an error for unknown calls, these are such.
 *
 * Numbers with the same outcome form a few dozen intervals, in which the program searches by
 * halves: six or seven comparisons for a call, where a list of numbers would take hundreds.
 *
 * Arguments are loaded last, and only where they decide. From Linux 5.11 on, the kernel finds out
 * once which numbers a filter always allows, and does not run the program for those. If the program
 * loaded an argument before the search, the kernel would find none.
 *
 * @throws {RangeError} when a rule of a pass has so many values that no jump can skip them.
 */
export function assembleFilter(filter: ProcessFilter, architecture: Architecture): Instruction[] {
  // The program is written from its end, so that the length of each jump is known.
  const reversed: Instruction[] = [];
  appendForeign(filter, architecture, reversed);
  const foreign = reversed.length;
  appendSearch(intervalsOfNumbers(filter, architecture), reversed);
  reversed.push(instruction(LOAD_WORD, NUMBER_OFFSET));
  reversed.push(
    instruction(JUMP, reversed.length - foreign),
    instruction(JUMP_IF_EQUAL, AUDIT_ARCH[architecture], 1, 0),
    instruction(LOAD_WORD, ARCHITECTURE_OFFSET),
  );
  return reversed.reverse();
}

/** Encodes a program as the kernel reads it: an array of `struct sock_filter`. */
export function encodeProgram(program: readonly Instruction[]): Bytes {
  const words = new Uint32Array(2 * program.length);
  program.forEach(({ code, jt, jf, k }, i) => {
    words[2 * i] = code | jt << 16 | jf << 24;
    words[2 * i + 1] = k;
  });
  return asBytes(words);
}

/** Counts the instructions of an encoded program. */
export function programLength(encoded: Bytes): number {
  return encoded.length / INSTRUCTION_SIZE;
}

/**
 * Returns the offset of the lower half of an argument in `struct seccomp_data`. The upper half
 * follows.
 *
 * @param argument Its index, from 0 on.
 */
export function argumentOffset(argument: number): number {
  return ARGUMENTS_OFFSET + argument * ARGUMENT_SIZE;
}

/** Judges calls of other architectures: the loaded word is the architecture. */
function appendForeign(
  filter: ProcessFilter,
  architecture: Architecture,
  reversed: Instruction[],
): void {
  const { compat, unknown } = filter;
  if (compat) {
    appendSearch(intervalsOf(outcomesOf(compat), verdictOnOthers(compat)), reversed);
    reversed.push(instruction(LOAD_WORD, NUMBER_OFFSET));
  }
  reversed.push(instruction(RETURN, unknown ? refusalOf(unknown) : SECCOMP_RET_KILL_PROCESS));
  if (compat) {
    const abi = COMPAT_ARCHITECTURES[architecture];
    reversed.push(instruction(JUMP_IF_EQUAL, AUDIT_ARCH[abi], 1, 0));
  }
}

function intervalsOfNumbers(filter: ProcessFilter, architecture: Architecture): Interval[] {
  const ofOthers = verdictOnOthers(filter);
  const outcomes = outcomesOf(filter);
  if (filter.pass) addPassages(filter.pass, ofOthers, outcomes);
  const intervals = intervalsOf(outcomes, ofOthers);
  if (architecture === "x86_64") {
    beginInterval(intervals, X32_SYSCALL_BIT, refusalOf(filter.unknown ?? filter));
  }
  return intervals;
}

function verdicts(mode: Mode, refusal: number): [ofListed: number, ofOthers: number] {
  return mode === "allow" ? [SECCOMP_RET_ALLOW, refusal] : [refusal, SECCOMP_RET_ALLOW];
}

/** The verdict on a call that the filter has no word about. */
function verdictOnOthers(filter: SyscallFilter): number {
  return filter.mode === "deny" ? SECCOMP_RET_ALLOW : refusalOf(filter.unknown ?? filter);
}

function outcomesOf(filter: SyscallFilter): Map<number, Outcome> {
  const { mode, syscalls, rules = new Map(), multiplexers = new Map(), unknown } = filter;
  const refusal = refusalOf(filter);
  const [ofListed, ofOthers] = verdicts(mode, refusal);
  const outcomes = new Map<number, Outcome>();
  for (const number of unknown?.known ?? []) outcomes.set(number, refusal);
  for (const [number, multiplexer] of multiplexers) {
    outcomes.set(number, ofOperations(multiplexer, ofListed, ofOthers));
  }
  for (const [number, rule] of rules) outcomes.set(number, ofRule(rule));
  for (const number of syscalls) outcomes.set(number, ofListed);
  return outcomes;
}

function ofOperations(
  { mask, operations, refused = new Map() }: Multiplexer,
  ofListed: number,
  ofOthers: number,
): Selection {
  const verdicts = new Map(operations.map((operation) => [operation, ofListed]));
  for (const [operation, errno] of refused) verdicts.set(operation, refusalOf({ errno }));
  return { argument: 0, mask, verdicts, ofOthers };
}

function ofRule({ errno, test }: ArgumentRule): Outcome {
  const refusal = refusalOf({ errno });
  if (test === undefined) return refusal;
  const [ofListed, ofOthers] = verdicts(test.mode, refusal);
  const { argument, mask, values } = test;
  return { argument, mask, verdicts: new Map(values.map((it) => [it, ofListed])), ofOthers };
}

/** A call that is always allowed needs no pass. */
function addPassages(pass: Pass, ofOthers: number, outcomes: Map<number, Outcome>): void {
  for (const [number, passed] of outcomesOf({ ...pass, mode: "allow" })) {
    const otherwise = outcomes.get(number) ?? ofOthers;
    if (otherwise === SECCOMP_RET_ALLOW) continue;
    outcomes.set(number, { words: pass.words, passed, otherwise });
  }
}

/** The numbers are sorted as a typed array, which needs no comparison function. */
function intervalsOf(outcomes: ReadonlyMap<number, Outcome>, ofOthers: Outcome): Interval[] {
  const intervals: Interval[] = [];
  let next = 0;
  for (const number of Uint32Array.from(outcomes.keys()).sort()) {
    if (number > next) beginInterval(intervals, next, ofOthers);
    beginInterval(intervals, number, outcomes.get(number)!);
    next = number + 1;
  }
  if (next <= LAST_WORD) beginInterval(intervals, next, ofOthers);
  return intervals;
}

/** An outcome that equals the one before begins no interval. */
function beginInterval(intervals: Interval[], from: number, outcome: Outcome): void {
  if (intervals.at(-1)?.outcome !== outcome) intervals.push({ from, outcome });
}

function refusalOf({ errno }: { errno?: number }): number {
  return errno === undefined ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | errno;
}

/**
 * Searches which of the intervals from `first` to before `end` the word is in. In the program, the
 * lower half of the search follows each comparison, then the upper half.
 */
function appendSearch(
  intervals: readonly Interval[],
  reversed: Instruction[],
  first = 0,
  end = intervals.length,
): void {
  if (end - first === 1) {
    appendOutcome(intervals[first]!.outcome, reversed);
    return;
  }
  const middle = (first + end) >> 1;
  appendSearch(intervals, reversed, middle, end);
  const upper = reversed.length;
  appendSearch(intervals, reversed, first, middle);
  appendSkip(intervals[middle]!.from, reversed.length - upper, reversed);
}

/** Skips that many instructions when the word is at least `k`. */
function appendSkip(k: number, distance: number, reversed: Instruction[]): void {
  if (distance <= LONGEST_JUMP) {
    reversed.push(instruction(JUMP_IF_AT_LEAST, k, distance, 0));
  } else {
    reversed.push(instruction(JUMP, distance), instruction(JUMP_IF_AT_LEAST, k, 0, 1));
  }
}

function appendOutcome(outcome: Outcome, reversed: Instruction[]): void {
  if (typeof outcome === "number") reversed.push(instruction(RETURN, outcome));
  else if ("words" in outcome) appendPassage(outcome, reversed);
  else appendSelection(outcome, reversed);
}

function appendSelection(
  { argument, mask, verdicts, ofOthers }: Selection,
  reversed: Instruction[],
): void {
  appendSearch(intervalsOf(verdicts, ofOthers), reversed);
  if (mask !== undefined) reversed.push(instruction(AND, mask));
  reversed.push(instruction(LOAD_WORD, argumentOffset(argument)));
}

/** Compares the words half by half. The first half that differs leads to the other outcome. */
function appendPassage({ words, passed, otherwise }: Passage, reversed: Instruction[]): void {
  appendOutcome(otherwise, reversed);
  const others = reversed.length;
  appendOutcome(passed, reversed);
  for (const [offset, half] of halvesOf(words)) {
    const distance = reversed.length - others;
    if (distance > LONGEST_JUMP) throw new RangeError(`a pass of ${distance} instructions`);
    reversed.push(instruction(JUMP_IF_EQUAL, half, 0, distance), instruction(LOAD_WORD, offset));
  }
}

/** Each half of a pass's words, and the offset at which a call must have it. */
function halvesOf(words: Pass["words"]): [offset: number, half: number][] {
  return words.flatMap((word, i): [number, number][] => {
    const offset = argumentOffset(PASS_ARGUMENTS[i]!);
    return [[offset, lowerHalf(word)], [offset + ARGUMENT_SIZE / 2, lowerHalf(word >> 32n)]];
  });
}

function lowerHalf(word: bigint): number {
  return Number(BigInt.asUintN(32, word));
}

function instruction(code: number, k: number, jt = 0, jf = 0): Instruction {
  return { code, jt, jf, k };
}
