/**
 * System calls that another process is to make: a list, written here and carried out by the image's
 * `init` (`image/init.c`).
 *
 * Deno cannot fork, and a second program of Deno's takes tens of milliseconds to start. What has to
 * happen inside a new process, such as joining namespaces or giving up privileges, is therefore
 * recorded as what it comes down to. `init` takes a private copy of the list and goes through it;
 * which call ended it, if one did, comes back through a page of memory that it shares with who
 * wrote the list.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { describeCall, describeErrno, SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { type Argument, type Call, cString, syscall } from "./libc.ts";
import { type Pass, PASS_ARGUMENTS } from "./seccomp_program.ts";
import { SYSCALL_NUMBERS, type SyscallName } from "./syscall_numbers.ts";

/**
 * Where `init` maps the page with its report, one that its children do not have, and the list:
 * there is nothing else in its lower memory.
 */
export const REPORT_ADDRESS = 0x0f00_0000;
export const REPORT_SIZE = 0x1000;
export const CHILD_ADDRESS = 0x0f00_1000;
export const CHILD_SIZE = 0x1000;
export const SCRIPT_ADDRESS = 0x1000_0000;
export const SCRIPT_SIZE = 0x100_0000;

/** Words before the first entry: the pass, and where the texts of errors are. */
export const HEADER_WORDS = 3;
/**
 * Each entry is ten words: the call's number, six arguments, how to take its result, what that has
 * to be, and what to say when the call fails.
 */
export const ENTRY_WORDS = 10;
export const HOW_WORD = 7;
export const EXPECTED_WORD = 8;

/**
 * How a result is taken: go on although the call failed; with one error alone if it stands in the
 * bits above.
 */
export const MAY_FAIL = 1;
/** How a result is taken: end, as at the end of the list, when it is another than expected. */
export const ONLY_AT_EXPECTED = 2;
/** How a call is made: its first argument is the result of the one before. */
export const TAKES_RESULT = 4;
export const ALLOWED_ERROR_SHIFT = 8;

/** How the texts of errors lie in memory: so many bytes each, from error 0 on. */
export const ERROR_TEXT_SIZE = 64;
export const ERROR_COUNT = 134;

/** The exit status of `init` when a call failed that must not. */
export const SCRIPT_FAILURE = 254;

/** Where the list is in the file. */
export const SCRIPT_OFFSET = REPORT_SIZE + CHILD_SIZE;

const WORD = 8;
/** How many arguments a call can have. */
const MOST_ARGUMENTS = 6;
const COMPLAINT_WORD = 9;

/** One recorded call. */
interface Entry {
  name: SyscallName;
  args: readonly Argument[];
  how: number;
  expected: number;
}

/** The words of a {@linkcode Pass}. */
type PassWords = Pass["words"];

/** A list of system calls. */
export class CallScript {
  readonly #entries: Entry[] = [];
  #describeFailure: ((call: string) => string) | undefined;
  #pass: PassWords | undefined;

  /** What has been recorded, in order: each call as it would be made. */
  get calls(): readonly { name: SyscallName; args: readonly Argument[] }[] {
    return this.#entries;
  }

  /** Records a call. It has no result yet, so 0 stands for it. */
  readonly call: Call = (name, ...args) => {
    this.#add(name, args);
    return 0;
  };

  /** Records a call that may fail. */
  try(name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: MAY_FAIL });
  }

  /** Records a call that may fail with this one error, by its number. */
  allowing(errno: number, name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: MAY_FAIL | errno << ALLOWED_ERROR_SHIFT });
  }

  /**
   * Records a call that has the result of the one before for its first argument. These are the
   * others.
   */
  withResult(name: SyscallName, ...args: Argument[]): void {
    this.#add(name, [0, ...args], { how: TAKES_RESULT });
  }

  /**
   * Records a call after which the process goes on only where it returns this: 0 is what the child
   * gets of clone(2). Otherwise the process ends, as if it had come to the end of its list.
   */
  onlyAt(expected: number, name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, { how: ONLY_AT_EXPECTED, expected });
  }

  /**
   * Has all further calls carry two words by which a filter lets them through, whatever else it
   * refuses. They can have four arguments at the most.
   */
  passFilter(words: PassWords): void {
    this.#pass = words;
  }

  /**
   * Has the process itself say on its standard error which call failed: for a list that is carried
   * out by who wrote it, so that nobody is left to read the report.
   *
   * @param describe Makes a call, such as `execve("/app")`, the beginning of a line that ends with
   * the error.
   */
  reportFailureAs(describe: (call: string) => string): void {
    this.#describeFailure = describe;
  }

  /**
   * Writes the list to memory that another process can map.
   *
   * @param memory A file in memory.
   * @throws {SyscallError}
   * @throws {RangeError} when there is too much of it.
   */
  writeTo(memory: Fd): WrittenScript {
    const bytes = this.#encode();
    syscall("pwrite64", memory.number, bytes, bytes.length, SCRIPT_OFFSET);
    return new WrittenScript(memory, this.#entries);
  }

  #add(name: SyscallName, args: readonly Argument[], { how = 0, expected = 0 } = {}): void {
    this.#entries.push({ name, args: this.#withPass(name, args), how, expected });
  }

  /**
   * The list as `init` reads it, and behind it what calls point to. It ends with a call that ends
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
    return { name: "exit_group", args: this.#withPass("exit_group", [0]), how: 0, expected: 0 };
  }

  #withPass(name: SyscallName, args: readonly Argument[]): readonly Argument[] {
    if (this.#pass === undefined) return args;
    const room = PASS_ARGUMENTS[0] - args.length;
    if (room < 0) throw new RangeError(`${name}: its arguments leave no room for the pass`);
    return [...args, ...new Array<number>(room).fill(0), ...this.#pass];
  }

  #encodeHeader(list: BigInt64Array, data: ScriptData): void {
    this.#pass?.forEach((word, i) => list[i] = data.place(word));
    if (this.#describeFailure) list[HEADER_WORDS - 1] = data.place(errorTexts());
  }

  /** Words that are 0 are so already. */
  #encodeEntry(entry: Entry, list: BigInt64Array, at: number, data: ScriptData): void {
    const { name, args, how, expected } = entry;
    if (args.length > MOST_ARGUMENTS) throw new RangeError(`${name}: too many arguments`);
    list[at] = BigInt(SYSCALL_NUMBERS[name]);
    args.forEach((argument, i) => list[at + 1 + i] = data.place(argument));
    if (how !== 0) list[at + HOW_WORD] = BigInt(how);
    if (expected !== 0) list[at + EXPECTED_WORD] = BigInt(expected);
    if (this.#describeFailure) {
      list[at + COMPLAINT_WORD] = data.place(this.#describeFailure(describeCall(name, args)));
    }
  }
}

/** The texts of all errors, each at its number, and with a newline behind it. */
function errorTexts(): Bytes {
  const bytes = new Uint8Array(ERROR_COUNT * ERROR_TEXT_SIZE);
  for (let number = 0; number < ERROR_COUNT; number++) {
    const text = new TextEncoder().encode(`${describeErrno(number)}\n`);
    bytes.set(text.subarray(0, ERROR_TEXT_SIZE), number * ERROR_TEXT_SIZE);
  }
  return bytes;
}

/** A list that a process has been given, and what it has reported of it by now. */
export class WrittenScript {
  readonly #memory: Fd;
  readonly #entries: readonly Entry[];

  /** @param memory Where it is; `init` gets it as a descriptor. */
  constructor(memory: Fd, entries: readonly Entry[]) {
    this.#memory = memory;
    this.#entries = entries;
  }

  /**
   * The error that ended the list, if one did.
   *
   * A process that is in the pod already may be made to report anything, by an app that may look
   * into it.
   *
   * @throws {SyscallError} when the memory cannot be read.
   */
  failure(): SyscallError | undefined {
    const report = new BigInt64Array(2);
    const bytes = new Uint8Array(report.buffer);
    syscall("pread64", this.#memory.number, bytes, bytes.length, 0);
    const [index = 0n, result = 0n] = report;
    const entry = this.#entries[Number(index) - 1];
    return entry && new SyscallError(entry.name, entry.args, Number(-result));
  }

  /**
   * The number of the child that was made with `CLONE_PARENT_SETTID` and {@linkcode CHILD_ADDRESS}.
   *
   * @returns `undefined` when none was made.
   * @throws {SyscallError} when the memory cannot be read.
   */
  child(): number | undefined {
    const pid = new Int32Array(1);
    syscall("pread64", this.#memory.number, asBytes(pid), pid.byteLength, REPORT_SIZE);
    return pid[0] === 0 ? undefined : pid[0];
  }
}

/** What calls point to: once each, also where several point to it. */
class ScriptData {
  readonly #pieces = new Map<Uint8Array, number>();
  /** Where what is placed next will be, in bytes from the list's beginning. */
  end: number;

  /** @param start Where the first of it will be. */
  constructor(start: number) {
    this.end = start;
  }

  /** @returns The argument itself, or the address that it will have. */
  place(argument: Argument): bigint {
    if (argument === null) return 0n;
    if (typeof argument === "string") return this.#add(cString(argument));
    if (argument instanceof Uint8Array) return this.#add(argument);
    if (typeof argument === "object") {
      const words = argument.map((word) => this.place(word));
      return this.#add(new Uint8Array(new BigInt64Array(words).buffer));
    }
    return BigInt.asIntN(64, BigInt(argument));
  }

  copyTo(bytes: Uint8Array): void {
    for (const [piece, at] of this.#pieces) bytes.set(piece, at);
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
