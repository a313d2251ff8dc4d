/**
 * Lists of system calls that another process makes: written here, and carried out by the image's
 * `init` (`image/init.c`).
 *
 * Deno cannot fork, and a second Deno program takes tens of milliseconds to start. What has to
 * happen inside a new process, such as joining namespaces or giving up privileges, is therefore
 * recorded as the system calls that it consists of. `init` makes a private copy of the list and
 * carries it out. Through a page of memory that it shares with the writer of the list, it reports
 * which call ended the list, if one failed. A process that is in a pod's sight has that page too,
 * and whoever looks into the process can have it map all of the page's file: so nothing else is in
 * it.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { describeCall, describeErrno, SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { type Argument, type Call, cString, syscall } from "./libc.ts";
import { type Pass, PASS_ARGUMENTS } from "./syscall_filter.ts";
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

const WORD = 8;
/** How many arguments a call can have. */
const MOST_ARGUMENTS = 6;
/** For how many allowed errors a word has room, as it must not be negative. */
const MOST_ALLOWED_ERRORS = 6;
const FAILURE_TEXT_WORD = 9;

/** An argument of a recorded call. */
type ScriptArgument = Argument | Within;

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
interface Entry {
  name: SyscallName;
  args: readonly ScriptArgument[];
  how: number;
  /** The numbers of the errors that the call may fail with; none stands for all. */
  allowed: readonly number[];
  expected: number | LaterResult;
  /** Where to go on at any other result. */
  place?: Place | undefined;
  /** The call in words. */
  description: string;
}

/** How an entry differs from a call that must not fail. */
type EntryOptions = Partial<Omit<Entry, "name" | "args">>;

/** One of several calls, of which the first that works is enough. */
export interface Alternative {
  args: readonly Argument[];
  /** The call in words, for its failure. */
  description: string;
}

/** A place within bytes that a list points to, for a call that is to write there. */
export class Within {
  /**
   * @param bytes The bytes, which the list points to elsewhere as well.
   * @param offset How many of them precede the place.
   */
  constructor(readonly bytes: Bytes, readonly offset: number) {}
}

/** The words of a {@linkcode Pass}. */
type PassWords = Pass["words"];

/** A list of system calls for another process. */
export class CallScript {
  readonly #entries: Entry[] = [];
  #describeFailure: ((call: string, name: SyscallName) => string) | undefined;
  #pass: PassWords | undefined;

  /** The recorded calls, in order. */
  get calls(): readonly { name: SyscallName; args: readonly ScriptArgument[] }[] {
    return this.#entries;
  }

  /** Records a call. Its result does not exist yet, so 0 stands for it. */
  readonly call: Call = (name, ...args) => {
    this.#add(name, args);
    return 0;
  };

  /** Records a call that may fail. */
  try(name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: MAY_FAIL });
  }

  /** Records a call that may fail with this error, given by its number, and with no other. */
  allowing(errno: number, name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: MAY_FAIL, allowed: [errno] });
  }

  /**
   * Records a call that does not return where it works, in several forms. After one of these
   * errors, given by their numbers, the next form is tried. If all fail, an `EACCES` among their
   * errors is reported, else the last error. This is how exec(3) looks for a program.
   */
  firstOf(name: SyscallName, forms: readonly Alternative[], allowed: readonly number[]): void {
    forms.forEach(({ args, description }, i) => {
      const how = i < forms.length - 1 ? MAY_FAIL | ALTERNATIVE : ALTERNATIVE;
      this.#add(name, args, { how, allowed, description });
    });
  }

  /**
   * Records a call whose first argument is the result of the call before. `args` are the other
   * arguments.
   */
  withResult(name: SyscallName, ...args: Argument[]): void {
    this.#add(name, [0, ...args], { how: TAKES_RESULT });
  }

  /** Records such a call that may fail. */
  tryWithResult(name: SyscallName, ...args: Argument[]): void {
    this.#add(name, [0, ...args], { how: TAKES_RESULT | MAY_FAIL });
  }

  /** Records a call that writes into bytes of the list, at the place that is its third argument. */
  into(name: SyscallName, first: Argument, second: Argument, place: Within, size: number): void {
    this.#add(name, [first, second, place, size]);
  }

  /**
   * Records a call after which the process goes on only if the call returned `expected`: clone(2)
   * returns 0 to the child. Otherwise the process ends, as at the end of its list.
   */
  onlyAt(expected: number | LaterResult, name: SyscallName, ...args: Argument[]): void {
    if (expected instanceof LaterResult) expected.expectedBy = this.#entries.length;
    this.#add(name, args, { how: ONLY_AT_EXPECTED, expected });
  }

  /**
   * Records a call after which the process goes on at a place of the list, unless the call returned
   * `expected`: a number, or the negative number of an error. No other error is allowed. The place
   * may come later.
   */
  jumpUnless(expected: number, place: Place, name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: JUMPS, expected, place });
  }

  /**
   * Records a call as {@linkcode CallScript.jumpUnless} does, of which a number is expected that is
   * in memory by then.
   *
   * @param address Where the number is, of 32 bits.
   */
  jumpUnlessAt(address: number, place: Place, name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: JUMPS | LOADS, expected: address, place });
  }

  /** Records a jump, unless the result of the call before was `expected`. */
  jumpUnlessResult(expected: number, place: Place): void {
    this.#add("getpid", [], { how: JUMPS | NO_CALL, expected, place });
  }

  /** Records that the process goes on at a place of the list. */
  jump(place: Place): void {
    // No process has the id 0.
    this.jumpUnless(0, place, "getpid");
  }

  /** Has calls that jump to a place go on at the next call. */
  placeHere(place: Place): void {
    place.index = this.#entries.length;
  }

  /** Records a call whose result is what a later call expects. */
  store(result: LaterResult, name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: STORES, expected: result });
  }

  /**
   * Adds two words to all further calls, by which a filter lets them through although it refuses
   * such calls. These calls can have at most four arguments.
   */
  passFilter(words: PassWords): void {
    this.#pass = words;
  }

  /**
   * Has the process itself write to its standard error which call failed. This is for a list that
   * is carried out by the process that wrote it: nobody is left to read the report.
   *
   * @param describe Turns a call in words, such as `execve("/app")`, into the beginning of a line;
   * the error is its end.
   */
  reportFailureAs(describe: (call: string, name: SyscallName) => string): void {
    this.#describeFailure = describe;
  }

  /**
   * Writes the list to memory that another process can map.
   *
   * @throws {SyscallError} when the memory cannot be written.
   * @throws {RangeError} when the list is too large.
   */
  writeTo(memory: ScriptMemory): WrittenScript {
    const bytes = this.#encode();
    syscall("pwrite64", memory.list.number, bytes, bytes.length, SCRIPT_OFFSET);
    // A page of a file is there as soon as the file has a part of it.
    const nothing = new Uint8Array(2 * WORD);
    syscall("pwrite64", memory.report.number, nothing, nothing.length, 0);
    return new WrittenScript(memory, this.#entries);
  }

  #add(name: SyscallName, args: readonly ScriptArgument[], options: EntryOptions = {}): void {
    this.#entries.push(this.#entry(name, args, options));
  }

  #entry(name: SyscallName, args: readonly ScriptArgument[], options: EntryOptions = {}): Entry {
    const { how = 0, allowed = [], expected = 0, place } = options;
    const { description = describeCall(name, args) } = options;
    return { name, args: this.#withPass(name, args), how, allowed, expected, place, description };
  }

  /**
   * Encodes the list as `init` reads it, followed by what its calls point to. The last call ends
   * the process.
   */
  #encode(): Bytes {
    const all = [...this.#entries, this.#end()];
    const list = new BigInt64Array(HEADER_WORDS + all.length * ENTRY_WORDS);
    const data = new ScriptData(list.byteLength);
    this.#encodeHeader(list, data);
    all.forEach((entry, i) => this.#encodeEntry(entry, list, HEADER_WORDS + i * ENTRY_WORDS, data));
    if (data.end > SCRIPT_SIZE) throw new RangeError(`${data.end} bytes: too much to pass on`);
    const bytes = new Uint8Array(data.end);
    bytes.set(new Uint8Array(list.buffer));
    data.copyTo(bytes);
    return bytes;
  }

  #end(): Entry {
    return this.#entry("exit_group", [0]);
  }

  #withPass(name: SyscallName, args: readonly ScriptArgument[]): readonly ScriptArgument[] {
    if (this.#pass === undefined) return args;
    const room = PASS_ARGUMENTS[0] - args.length;
    if (room < 0) throw new RangeError(`${name}: its arguments leave no room for the pass`);
    return [...args, ...new Array<number>(room).fill(0), ...this.#pass];
  }

  #encodeHeader(list: BigInt64Array, data: ScriptData): void {
    this.#pass?.forEach((word, i) => list[i] = data.place(word));
    if (this.#describeFailure) list[HEADER_WORDS - 1] = data.place(errorTexts());
  }

  /** Words that stay 0 need not be set. */
  #encodeEntry(entry: Entry, list: BigInt64Array, at: number, data: ScriptData): void {
    const { name, args, expected, description } = entry;
    if (args.length > MOST_ARGUMENTS) throw new RangeError(`${name}: too many arguments`);
    list[at] = BigInt(SYSCALL_NUMBERS[name]);
    args.forEach((argument, i) => list[at + 1 + i] = data.place(argument));
    if (entry.how !== 0) list[at + HOW_WORD] = howWord(entry);
    if (expected !== 0) list[at + EXPECTED_WORD] = expectedWord(entry);
    if (this.#describeFailure) {
      list[at + FAILURE_TEXT_WORD] = data.place(this.#describeFailure(description, name));
    }
  }
}

/** What a result is compared with, or the address of the word that it is stored in. */
function expectedWord({ how, expected }: Entry): bigint {
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
function howWord({ how, allowed, place }: Entry): bigint {
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

/** The files in memory by which a list is passed on. */
export interface ScriptMemory {
  /** A page for the number of the child, and the list. */
  list: Fd;
  /** The report. */
  report: Fd;
}

/** A list that a process was given, and what that process has reported so far. */
export class WrittenScript {
  readonly #memory: ScriptMemory;
  readonly #entries: readonly Entry[];

  /**
   * @param memory Where the list is.
   */
  constructor(memory: ScriptMemory, entries: readonly Entry[]) {
    this.#memory = memory;
    this.#entries = entries;
  }

  /**
   * Returns the error that ended the list, if one did.
   *
   * The report of a process that is already in the pod cannot be trusted: an app that may look into
   * the process can make it report anything.
   *
   * @throws {SyscallError} when the memory cannot be read.
   */
  failure(): SyscallError | undefined {
    const report = new BigInt64Array(2);
    const bytes = new Uint8Array(report.buffer);
    syscall("pread64", this.#memory.report.number, bytes, bytes.length, 0);
    const [index = 0n, result = 0n] = report;
    const entry = this.#entries[Number(index) - 1];
    return entry && new SyscallError(entry.name, entry.args, Number(-result), entry.description);
  }

  /**
   * Returns the process id of the child that was made with `CLONE_PARENT_SETTID` and {@linkcode
   * CHILD_ADDRESS}.
   *
   * @returns `undefined` when no child was made.
   * @throws {SyscallError} when the memory cannot be read.
   */
  child(): number | undefined {
    const pid = new Int32Array(1);
    syscall("pread64", this.#memory.list.number, asBytes(pid), pid.byteLength, 0);
    return pid[0] === 0 ? undefined : pid[0];
  }
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
