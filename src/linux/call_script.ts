/**
 * System calls that another process is to make: a list, written here and carried out by the image's `init`.
 *
 * Deno cannot fork, and a second program of Deno's takes tens of milliseconds to start. What has to happen inside
 * a new process, such as joining namespaces or giving up privileges, is therefore recorded as what it comes down
 * to. `init` maps the list and goes through it; results come back through the same memory.
 *
 * @module
 */

import { SyscallError } from "./errno.ts";
import type { Fd } from "./file.ts";
import { type Argument, type Bytes, type Call, cString, syscall } from "./libc.ts";
import { SYSCALL_NUMBERS, type SyscallName } from "./syscall_numbers.ts";

/** Where `init` maps the list, and how much of it: there is nothing else in its lower memory. */
export const SCRIPT_ADDRESS = 0x1000_0000;
export const SCRIPT_SIZE = 0x100_0000;

/** Each entry is nine words: the call's number, six arguments, how to take its result, and the result. */
export const ENTRY_WORDS = 9;
export const HOW_WORD = 7;
export const RESULT_WORD = 8;

/** How a result is taken: go on although the call failed. */
export const MAY_FAIL = 1;
/** How a result is taken: end when it is more than 0, as it is for the parent in clone(2). */
export const PARENT_ENDS = 2;

/** The exit status of `init` when a call failed that must not. */
export const SCRIPT_FAILURE = 254;

/** What calls point to follows the list, which can have this many bytes. */
const DATA_OFFSET = 0x1_0000;
const WORD = 8;
/** Stands in the place of a result until there is one: no call returns it. */
const NO_RESULT = -(2n ** 63n);

/** One recorded call. */
interface Entry {
  name: SyscallName;
  args: readonly Argument[];
  how: number;
}

/** A list of system calls. */
export class CallScript {
  readonly #entries: Entry[] = [];

  /** Records a call. It has no result yet, so 0 stands for it. */
  readonly call: Call = (name, ...args) => this.#add(name, args, 0);

  /** Records a call that may fail. */
  try(name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, MAY_FAIL);
  }

  /**
   * Records a call after which the process goes on only where it returns 0: the child, after clone(2). Where it
   * returns more, the process ends, as if it had come to the end of its list.
   */
  onlyAtZero(name: SyscallName, ...args: Argument[]): void {
    this.#add(name, args, PARENT_ENDS);
  }

  /**
   * Writes the list to memory that another process can map.
   *
   * @param memory A file in memory.
   * @throws {SyscallError}
   * @throws {RangeError} when there is too much of it.
   */
  writeTo(memory: Fd): WrittenScript {
    const bytes = encodeScript(this.#entries);
    syscall("pwrite64", memory.number, bytes, bytes.length, 0);
    return new WrittenScript(memory, this.#entries);
  }

  #add(name: SyscallName, args: readonly Argument[], how: number): number {
    this.#entries.push({ name, args, how });
    return 0;
  }
}

/** A list that a process has been given, and the results that are in it by now. */
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
   * @throws {SyscallError} when the memory cannot be read.
   */
  failure(): SyscallError | undefined {
    const results = this.#readResults();
    const failed = results.findLastIndex((result) => result !== NO_RESULT);
    const entry = this.#entries[failed];
    const result = results[failed];
    if (entry === undefined || result === undefined) return undefined;
    if (result >= 0n || entry.how & MAY_FAIL) return undefined;
    return new SyscallError(entry.name, entry.args, Number(-result));
  }

  #readResults(): bigint[] {
    const bytes = new Uint8Array(this.#entries.length * ENTRY_WORDS * WORD);
    syscall("pread64", this.#memory.number, bytes, bytes.length, 0);
    const words = new BigInt64Array(bytes.buffer);
    return this.#entries.map((_, i) => words[i * ENTRY_WORDS + RESULT_WORD]!);
  }
}

/** The list as `init` reads it. It ends with a call that ends the process. */
function encodeScript(entries: readonly Entry[]): Bytes {
  const all = [...entries, { name: "exit_group", args: [0], how: 0 } as const];
  const data = new ScriptData();
  const words = all.flatMap(({ name, args, how }) => {
    const values = args.map((argument) => data.place(argument));
    const padding = new Array<bigint>(6 - values.length).fill(0n);
    return [BigInt(SYSCALL_NUMBERS[name]), ...values, ...padding, BigInt(how), NO_RESULT];
  });
  const list = new BigInt64Array(words);
  if (list.byteLength > DATA_OFFSET) throw new RangeError(`${all.length} calls: too many`);
  const bytes = new Uint8Array(DATA_OFFSET + data.length);
  bytes.set(new Uint8Array(list.buffer));
  data.copyTo(bytes, DATA_OFFSET);
  if (bytes.length > SCRIPT_SIZE) {
    throw new RangeError(`${bytes.length} bytes: too much to pass on`);
  }
  return bytes;
}

/** What calls point to. */
class ScriptData {
  readonly #pieces: { at: number; bytes: Uint8Array }[] = [];
  length = 0;

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

  copyTo(bytes: Uint8Array, offset: number): void {
    for (const { at, bytes: piece } of this.#pieces) bytes.set(piece, offset + at);
  }

  #add(bytes: Uint8Array): bigint {
    const at = this.length;
    this.#pieces.push({ at, bytes });
    this.length += Math.ceil(bytes.length / WORD) * WORD;
    return BigInt(SCRIPT_ADDRESS + DATA_OFFSET + at);
  }
}
