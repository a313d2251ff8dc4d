/**
 * How a list of system calls lies in memory for `init` (`image/init.c`), which reads it there.
 *
 * Behind a header come the entries, of {@linkcode ENTRY_WORDS} words of 64 bits each; behind these,
 * what the calls point to.
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";
import { describeErrno } from "./errno.ts";
import { type Argument, cString } from "./libc.ts";
import type { Pass } from "./syscall_filter.ts";
import { SYSCALL_NUMBERS, type SyscallName } from "./syscall_numbers.ts";
import { encodeText } from "./text.ts";

/**
 * Where `init` maps three things: the page with its report, a page that its children do not get,
 * and the list. Nothing else is in the lower part of its memory.
 */
export const REPORT_ADDRESS = 0x0f00_0000;
export const REPORT_SIZE = 0x1000;
export const CHILD_ADDRESS = 0x0f00_1000;
export const CHILD_SIZE = 0x1000;
export const SCRIPT_ADDRESS = 0x1000_0000;
export const SCRIPT_SIZE = 0x100_0000;

/**
 * Words before the first entry: the two words of the pass, and the address of the texts of errors.
 */
export const HEADER_WORDS = 3;
/**
 * Each entry is ten words: the call's number, six arguments, how its result is taken, which result
 * is expected, and the beginning of the message when the call fails.
 */
export const ENTRY_WORDS = 10;
export const HOW_WORD = 7;
export const EXPECTED_WORD = 8;

/**
 * How a result is taken: go on although the call failed. If the bytes above hold errors' numbers,
 * go on after these errors only.
 */
export const MAY_FAIL = 1;
/** How a result is taken: if it is not the expected one, end as at the end of the list. */
export const ONLY_AT_EXPECTED = 2;
/** How a call is made: its first argument is the result of the call before. */
export const TAKES_RESULT = 4;
/**
 * How a failure is taken: this call is one of several alternatives. If the last of them fails as
 * well, by an error in the bytes above, then an `EACCES` of one before it is what gets reported.
 */
export const ALTERNATIVE = 8;
export const ALLOWED_ERROR_SHIFT = 8;
/**
 * How a result is taken: if it is neither the expected one nor an error, go on at the entry whose
 * index, from 0 on, is in the bytes above.
 */
export const JUMPS = 16;
export const TARGET_SHIFT = 8;
/** How a result is taken: it goes to the word whose address is in the expected one's place. */
export const STORES = 32;
/** How a result is taken: what is expected is the number of 32 bits at the address in its place. */
export const LOADS = 64;
/** No call is made: the result of the call before is looked at once more. */
export const NO_CALL = 128;

/**
 * The texts of errors lie in memory one after another, from error 0 on, each with this many bytes.
 */
export const ERROR_TEXT_SIZE = 64;
export const ERROR_COUNT = 134;

/** The exit status of `init` after a call failed that may not fail. */
export const SCRIPT_FAILURE = 254;

/** Where the list begins in the file, behind the page for the child. */
export const SCRIPT_OFFSET = CHILD_SIZE;

/** A report is the number of the entry that failed, from 1 on, and the result of its call. */
export const REPORT_WORDS = 2;

const WORD = 8;
/** How many arguments a call can have. */
const MOST_ARGUMENTS = 6;
/** For how many allowed errors a word has room, as it must not be negative. */
const MOST_ALLOWED_ERRORS = 6;
const FAILURE_TEXT_WORD = 9;

/** An argument of a recorded call. */
export type ScriptArgument = Argument | Within;

/** A place within bytes that a list points to, for a call that is to write there. */
export class Within {
  /**
   * @param bytes The bytes, which the list points to elsewhere as well.
   * @param offset How many of them precede the place.
   */
  constructor(readonly bytes: Bytes, readonly offset: number) {}
}

/** An entry of a list at which calls go on that jump there. */
export class Place {
  /** The index of the entry, from 0 on, once the list has come to it. */
  index: number | undefined;
}

/** A result that is known only when the list is carried out, for one call that expects it later. */
export class LaterResult {
  /** The index of the entry that expects it, from 0 on, once it is recorded. */
  expectedBy: number | undefined;
}

/** One recorded call. */
export interface ScriptEntry {
  name: SyscallName;
  args: readonly ScriptArgument[];
  /** How its result is taken: bits such as {@linkcode MAY_FAIL}. */
  how: number;
  /** The numbers of the errors that the call may fail with; none stands for all. */
  allowed: readonly number[];
  /** What its result is compared with, where `how` says so. */
  expected: number | LaterResult;
  /** Where to go on at any other result. */
  place?: Place | undefined;
  /** The call in words. */
  description: string;
}

/** The words of a {@linkcode Pass}. */
export type PassWords = Pass["words"];

/** A list, and what holds for all of its calls. */
export interface ScriptList {
  entries: readonly ScriptEntry[];
  /** The words by which calls pass a filter, if they do. */
  pass: PassWords | undefined;
  /**
   * Turns a call in words into the beginning of the line by which the process itself tells of its
   * failure; without it, the process only reports it.
   */
  describeFailure: ((call: string, name: SyscallName) => string) | undefined;
}

/**
 * Encodes a list as `init` reads it, followed by what its calls point to.
 *
 * @throws {RangeError} when the list is too large, or a call has too many arguments or jumps to no
 * place of the list.
 */
export function encodeScript(script: ScriptList): Bytes {
  const { entries } = script;
  const list = new BigInt64Array(HEADER_WORDS + entries.length * ENTRY_WORDS);
  const data = new ScriptData(list.byteLength);
  encodeHeader(script, list, data);
  entries.forEach((entry, i) =>
    encodeEntry(entry, script, list.subarray(HEADER_WORDS + i * ENTRY_WORDS), data)
  );
  if (data.end > SCRIPT_SIZE) throw new RangeError(`${data.end} bytes: too much to pass on`);
  const bytes = new Uint8Array(data.end);
  bytes.set(new Uint8Array(list.buffer));
  data.copyTo(bytes);
  return bytes;
}

function encodeHeader(
  { pass, describeFailure }: ScriptList,
  list: BigInt64Array,
  data: ScriptData,
): void {
  pass?.forEach((word, i) => list[i] = data.place(word));
  if (describeFailure) list[HEADER_WORDS - 1] = data.place(errorTexts());
}

/** Words that stay 0 need not be set. */
function encodeEntry(
  entry: ScriptEntry,
  { describeFailure }: ScriptList,
  words: BigInt64Array,
  data: ScriptData,
): void {
  const { name, args, expected, description } = entry;
  if (args.length > MOST_ARGUMENTS) throw new RangeError(`${name}: too many arguments`);
  words[0] = BigInt(SYSCALL_NUMBERS[name]);
  args.forEach((argument, i) => words[1 + i] = data.place(argument));
  if (entry.how !== 0) words[HOW_WORD] = howWord(entry);
  if (expected !== 0) words[EXPECTED_WORD] = expectedWord(entry);
  if (describeFailure) words[FAILURE_TEXT_WORD] = data.place(describeFailure(description, name));
}

/** What a result is compared with, or the address of the word that it is stored in. */
function expectedWord({ how, expected }: ScriptEntry): bigint {
  if (typeof expected === "number") return BigInt(expected);
  // The word is 0 until the result of the other call is there.
  if (how !== STORES) return 0n;
  const { expectedBy } = expected;
  if (expectedBy === undefined) throw new RangeError("no call expects the result");
  const words = HEADER_WORDS + expectedBy * ENTRY_WORDS + EXPECTED_WORD;
  return BigInt(SCRIPT_ADDRESS + words * WORD);
}

/**
 * The bytes above the flags hold the allowed errors, as many as there is room for, or the index of
 * the entry to go on at.
 */
function howWord({ how, allowed, place }: ScriptEntry): bigint {
  if (place) {
    if (place.index === undefined) throw new RangeError("a call jumps to no place of the list");
    return BigInt(place.index) << BigInt(TARGET_SHIFT) | BigInt(how);
  }
  if (allowed.length > MOST_ALLOWED_ERRORS) throw new RangeError("too many errors are allowed");
  const errors = allowed.reduceRight((word, errno) => word << 8n | BigInt(errno), 0n);
  return errors << BigInt(ALLOWED_ERROR_SHIFT) | BigInt(how);
}

/** The texts of all errors, each at its number, and each with a newline at its end. */
function errorTexts(): Bytes {
  const bytes = new Uint8Array(ERROR_COUNT * ERROR_TEXT_SIZE);
  for (let number = 0; number < ERROR_COUNT; number++) {
    const text = encodeText(`${describeErrno(number)}\n`);
    bytes.set(text.subarray(0, ERROR_TEXT_SIZE), number * ERROR_TEXT_SIZE);
  }
  return bytes;
}

/** What calls point to. What several calls point to is stored once. */
class ScriptData {
  readonly #pieces = new Map<Uint8Array, number>();
  /** The addresses of lists and structures. */
  readonly #lists = new Map<object, bigint>();
  /** Where the next piece will be placed, in bytes from the beginning of the list. */
  end: number;

  /**
   * @param start Where the first piece will be placed.
   */
  constructor(start: number) {
    this.end = start;
  }

  /**
   * @returns The argument itself, or the address that it will have.
   */
  place(argument: ScriptArgument): bigint {
    if (argument === null) return 0n;
    if (argument instanceof Within) return this.#add(argument.bytes) + BigInt(argument.offset);
    if (typeof argument === "string") return this.#add(cString(argument));
    if (argument instanceof Uint8Array) return this.#add(argument);
    if (typeof argument === "object") return this.#placeList(argument);
    return BigInt.asIntN(64, BigInt(argument));
  }

  copyTo(bytes: Uint8Array): void {
    for (const [piece, at] of this.#pieces) bytes.set(piece, at);
  }

  #placeList(list: readonly Argument[]): bigint {
    let address = this.#lists.get(list);
    if (address === undefined) {
      const words = list.map((word) => this.place(word));
      address = this.#add(new Uint8Array(new BigInt64Array(words).buffer));
      this.#lists.set(list, address);
    }
    return address;
  }

  #add(bytes: Uint8Array): bigint {
    let at = this.#pieces.get(bytes);
    if (at === undefined) {
      at = this.end;
      this.#pieces.set(bytes, at);
      this.end += Math.ceil(bytes.length / WORD) * WORD;
    }
    return BigInt(SCRIPT_ADDRESS + at);
  }
}
