/**
 * The only way to the kernel: libc, opened once, in the only file that uses FFI.
 *
 * Nearly all calls go through syscall(2). Each function that Deno binds costs a fraction of a
 * millisecond of every start; one function for all calls costs it once, and no old libc lacks a
 * call of a new kernel. Addresses are plain numbers, well below 2^53 in a process, because Deno
 * makes pointers only for programs whose FFI is not scoped. What a call is passed by address lies
 * in an arena: memory of this program's own, whose address memcpy(3) returned.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { SyscallError } from "./errno.ts";
import { SYSCALL_NUMBERS, type SyscallName } from "./syscall_numbers.ts";
import { encodeText, quoteText } from "./text.ts";

const SYMBOLS = {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
  __errno_location: { parameters: [], result: "i64" },
  memcpy: { parameters: ["buffer", "i64", "usize"], result: "i64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Bound only by programs that start another process. */
const SPAWN_SYMBOLS = {
  posix_spawn: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Bound only by programs that stay, and have time for it. */
const TRIM_SYMBOLS = {
  malloc_trim: { parameters: ["usize"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Where hosts keep libc. The paths are absolute, because Deno resolves a bare name in a permission
 * against the working directory, which is one that stage0 made.
 */
const LIBC_PATHS: Readonly<Record<string, readonly string[]>> = {
  x86_64: ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"],
  aarch64: ["/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"],
};

/**
 * An argument of a system call: a number (a bigint where it has more than 53 bits), a text that
 * becomes a C string, bytes that are passed by address, null, or the address of a structure of such
 * words. What the kernel writes to the words of a structure is lost, but not what it writes to
 * bytes that the structure points to.
 */
export type Argument = number | bigint | string | Bytes | null | readonly Argument[];

/** A structure of words that the kernel writes to. */
export class Structure {
  /** After the call, its bytes as the kernel has left them. */
  bytes: Bytes = new Uint8Array();

  constructor(readonly words: readonly Argument[]) {}
}

/** Makes a system call, as {@linkcode syscall} does, or records it for another process. */
export type Call = (name: SyscallName, ...args: Argument[]) => number;

/** A piece of memory that the garbage collector does not move, used from its start on. */
interface Arena {
  readonly bytes: Bytes;
  readonly address: number;
  used: number;
}

/** Enough for all that most programs ever pass. The unused part takes no memory. */
const ARENA_SIZE = 128 * 1024;
/** The strictest alignment of anything that the kernel is passed. */
const ALIGNMENT = 16;

/** All arenas, because what is kept in one has to stay at its address. The last is in use. */
const arenas: Arena[] = [];

let opened: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined;
let openedToSpawn: Deno.DynamicLibrary<typeof SPAWN_SYMBOLS>["symbols"] | undefined;

/**
 * Makes a system call.
 *
 * @param name Its name.
 * @param args Its arguments, at most six. After the call, bytes hold what the kernel wrote to them.
 * @returns What the kernel returned.
 * @throws {SyscallError} when the kernel returned an error.
 * @throws {TypeError} when a text has a NUL character, which would silently cut it short.
 *
 * @example
 * ```ts ignore
 * import { assertEquals, assertThrows } from "@std/assert";
 * assertEquals(syscall("fcntl", 0, 1, 0) >= 0, true);
 * assertThrows(() => syscall("chdir", "/nowhere"), Error, 'chdir("/nowhere"): ENOENT');
 * ```
 */
export function syscall(name: SyscallName, ...args: (Argument | Structure)[]): number {
  return borrowing(args, ([a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n]) => {
    const result = Number(libc().syscall(BigInt(SYSCALL_NUMBERS[name]), a, b, c, d, e, f));
    if (result < 0) throw new SyscallError(name, args, lastErrno());
    return result;
  });
}

/**
 * Copies bytes, or a text as a C string, to memory that is never freed.
 *
 * This is for what a structure points to, for the arguments of a call before which no memory can be
 * allocated, and for what is passed again and again.
 *
 * @returns The address.
 */
export function keepInMemory(content: Bytes | string): number {
  return copyToArena(typeof content === "string" ? cString(content) : content);
}

/**
 * Starts a program as a child, with this thread's credentials, root and signal mask:
 * posix_spawn(3).
 *
 * The child gets every descriptor that is not marked to be closed at exec.
 *
 * @returns The child's process id.
 * @throws {SyscallError} when the child cannot be made, or cannot execute the program.
 */
export function posixSpawn(
  path: string,
  argv: readonly string[],
  environment: readonly string[],
): number {
  const { posix_spawn } = openedToSpawn ??= openLibc(SPAWN_SYMBOLS);
  const pid = new Int32Array(1);
  const args = [asBytes(pid), path, null, null, [...argv, null], [...environment, null]];
  return borrowing(args, ([a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n]) => {
    const errno = posix_spawn(a, b, c, d, e, f);
    if (errno !== 0) throw new SyscallError("posix_spawn", [path], errno);
    return pid;
  })[0]!;
}

/**
 * Gives the kernel back the memory that libc's allocator holds and nobody uses: malloc_trim(3).
 *
 * @throws {Error} when libc has no such function.
 */
export function trimHeap(): void {
  openLibc(TRIM_SYMBOLS).malloc_trim(0n);
}

/**
 * Calls a function with arguments as the kernel takes them, and copies back what was written to
 * bytes.
 */
function borrowing<T>(
  args: readonly (Argument | Structure)[],
  act: (words: readonly bigint[]) => T,
): T {
  const marks = arenas.map(({ used }) => used);
  const placed: PlacedBytes[] = [];
  try {
    const result = act(args.map((argument) => wordOf(argument, placed)));
    for (const { bytes, address } of placed) copyOut(bytes, address);
    return result;
  } finally {
    // Arenas that were begun for these arguments are used from their start again.
    arenas.forEach((arena, i) => arena.used = marks[i] ?? 0);
  }
}

/** Bytes of an argument, and the memory that the kernel sees in their place. */
interface PlacedBytes {
  bytes: Bytes;
  address: number;
}

function wordOf(argument: Argument | Structure, placed: PlacedBytes[]): bigint {
  if (argument === null) return 0n;
  if (typeof argument === "number" || typeof argument === "bigint") {
    return BigInt.asIntN(64, BigInt(argument));
  }
  if (typeof argument === "string") return BigInt(keepInMemory(argument));
  if (argument instanceof Uint8Array) {
    const address = keepInMemory(argument);
    placed.push({ bytes: argument, address });
    return BigInt(address);
  }
  if (argument instanceof Structure) {
    argument.bytes = structureOf(argument.words, placed);
    return wordOf(argument.bytes, placed);
  }
  return BigInt(keepInMemory(structureOf(argument, placed)));
}

function structureOf(words: readonly Argument[], placed: PlacedBytes[]): Bytes {
  return asBytes(new BigUint64Array(words.map((word) => wordOf(word, placed))));
}

function copyToArena(bytes: Bytes): number {
  // At least one byte, so that empty content has an address, too.
  const size = Math.ceil(Math.max(bytes.length, 1) / ALIGNMENT) * ALIGNMENT;
  const arena = arenaWith(size);
  const start = arena.used;
  arena.bytes.set(bytes, start);
  arena.used += size;
  return arena.address + start;
}

function arenaWith(size: number): Arena {
  const last = arenas.at(-1);
  if (last && size <= last.bytes.length - last.used) return last;
  const bytes = new Uint8Array(Math.max(size, ARENA_SIZE));
  const { memcpy, __errno_location } = libc();
  // Copies no byte, and returns the address that it would copy to.
  const arena = { bytes, address: Number(memcpy(bytes, __errno_location(), 0n)), used: 0 };
  arenas.push(arena);
  return arena;
}

function copyOut(bytes: Bytes, address: number): void {
  const arena = arenas.find((it) =>
    address >= it.address && address < it.address + it.bytes.length
  )!;
  const start = address - arena.address;
  bytes.set(arena.bytes.subarray(start, start + bytes.length));
}

/**
 * Encodes a text as C has it, with NUL at its end.
 *
 * @throws {TypeError} when the text has a NUL character, which would silently cut it short.
 */
export function cString(text: string): Bytes {
  if (text.includes("\0")) {
    throw new TypeError(`${quoteText(text)} has a NUL character, which no name can have`);
  }
  return encodeText(`${text}\0`);
}

function lastErrno(): number {
  const errno = new Int32Array(1);
  const { memcpy, __errno_location } = libc();
  memcpy(asBytes(errno), __errno_location(), BigInt(errno.byteLength));
  return errno[0]!;
}

function libc() {
  return opened ??= openLibc(SYMBOLS);
}

function openLibc<const S extends Deno.ForeignLibraryInterface>(symbols: S) {
  const paths = LIBC_PATHS[Deno.build.arch] ?? [];
  let why: unknown;
  for (const path of paths) {
    try {
      return Deno.dlopen(path, symbols).symbols;
    } catch (error) {
      why = error;
    }
  }
  throw new Error(`no usable libc at ${paths.join(", ")}`, { cause: why });
}
