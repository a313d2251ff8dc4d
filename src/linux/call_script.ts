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

import { asBytes } from "./bytes.ts";
import { describeCall, SyscallError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { type Argument, type Call, syscall } from "./libc.ts";
import {
  ALTERNATIVE,
  encodeScript,
  JUMPS,
  LaterResult,
  LOADS,
  MAY_FAIL,
  NO_CALL,
  ONLY_AT_EXPECTED,
  type PassWords,
  Place,
  REPORT_WORDS,
  SCRIPT_OFFSET,
  type ScriptArgument,
  type ScriptEntry,
  STORES,
  TAKES_RESULT,
  Within,
} from "./script_format.ts";
import { PASS_ARGUMENTS } from "./syscall_filter.ts";
import type { SyscallName } from "./syscall_numbers.ts";

/** How an entry differs from a call that must not fail. */
type EntryOptions = Partial<Omit<ScriptEntry, "name" | "args">>;

/** One of several calls, of which the first that works is enough. */
export interface Alternative {
  args: readonly Argument[];
  /** The call in words, for its failure. */
  description: string;
}

/** A list of system calls for another process. */
export class CallScript {
  readonly #entries: ScriptEntry[] = [];
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
   * @throws {RangeError} when the list is too large, or a call jumps to no place of it.
   */
  writeTo(memory: ScriptMemory): WrittenScript {
    const bytes = encodeScript({
      // The last call ends the process.
      entries: [...this.#entries, this.#entry("exit_group", [0])],
      pass: this.#pass,
      describeFailure: this.#describeFailure,
    });
    syscall("pwrite64", memory.list.number, bytes, bytes.length, SCRIPT_OFFSET);
    // A page of a file is there as soon as the file has a part of it.
    const nothing = new Uint8Array(new BigInt64Array(REPORT_WORDS).buffer);
    syscall("pwrite64", memory.report.number, nothing, nothing.length, 0);
    return new WrittenScript(memory, this.#entries);
  }

  #add(name: SyscallName, args: readonly ScriptArgument[], options: EntryOptions = {}): void {
    this.#entries.push(this.#entry(name, args, options));
  }

  #entry(
    name: SyscallName,
    args: readonly ScriptArgument[],
    options: EntryOptions = {},
  ): ScriptEntry {
    const { how = 0, allowed = [], expected = 0, place } = options;
    const { description = describeCall(name, args) } = options;
    return { name, args: this.#withPass(name, args), how, allowed, expected, place, description };
  }

  #withPass(name: SyscallName, args: readonly ScriptArgument[]): readonly ScriptArgument[] {
    if (this.#pass === undefined) return args;
    const room = PASS_ARGUMENTS[0] - args.length;
    if (room < 0) throw new RangeError(`${name}: its arguments leave no room for the pass`);
    return [...args, ...new Array<number>(room).fill(0), ...this.#pass];
  }
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
  readonly #entries: readonly ScriptEntry[];

  /**
   * @param memory Where the list is.
   */
  constructor(memory: ScriptMemory, entries: readonly ScriptEntry[]) {
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
    const report = new BigInt64Array(REPORT_WORDS);
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
