/**
 * The one door to the kernel: libc, opened once, and the only place that knows FFI.
 *
 * Nearly all goes through syscall(2): each function that Deno binds costs a fraction of a millisecond of
 * every start, one function for all calls costs it once, and no old libc lacks a call of a new kernel.
 * Addresses are plain numbers, since Deno makes pointers only for programs whose FFI is not scoped: those
 * of a process are well below 2^53. What a call is passed by its address is in an arena: memory of this
 * program's own, whose address memcpy(3) has told.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { SyscallError } from "./errno.ts";
import { SYSCALL_NUMBERS, type SyscallName } from "./syscall_numbers.ts";

const SYMBOLS = {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
  __errno_location: { parameters: [], result: "i64" },
  memcpy: { parameters: ["buffer", "i64", "usize"], result: "i64" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Bound only by who starts another process. */
const SPAWN_SYMBOLS = {
  posix_spawn: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Bound only by who stays, and has time for it. */
const TRIM_SYMBOLS = {
  malloc_trim: { parameters: ["usize"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Where hosts keep libc. Absolute, because Deno resolves a bare name in a permission against the working
 * directory, which here is one that stage0 made.
 */
const LIBC_PATHS: Readonly<Record<string, readonly string[]>> = {
  x86_64: ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"],
  aarch64: ["/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"],
};

/**
 * What a system call takes: a number, as a bigint where it has more than 53 bits, a text that
 * becomes a C string, bytes by address, a null, or the address of a structure of such words.
 */
export type Argument = number | bigint | string | Bytes | null | readonly Argument[];

/** Makes a system call, or records it for another process: {@linkcode syscall} is one. */
export type Call = (name: SyscallName, ...args: Argument[]) => number;

/** A piece of memory that no garbage collector moves, taken from its start on. */
interface Arena {
  readonly bytes: Bytes;
  readonly address: number;
  used: number;
}

/** Enough for all that most programs ever pass; what is not used of it takes no memory. */
const ARENA_SIZE = 128 * 1024;
/** The strictest alignment of what the kernel is passed. */
const ALIGNMENT = 16;

/** All of them: what is kept in one goes on to be at its address. The last is the one in use. */
const arenas: Arena[] = [];

const encoder = new TextEncoder();

let opened: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined;
let openedToSpawn: Deno.DynamicLibrary<typeof SPAWN_SYMBOLS>["symbols"] | undefined;

/**
 * Makes a system call.
 *
 * @param name Its name.
 * @param args Its arguments, six at the most. Bytes are written back to after the call.
 * @returns What the kernel returned.
 * @throws {SyscallError} when the kernel returned an error.
 * @throws {TypeError} when a text has a NUL character, which would cut it short in silence.
 *
 * @example
 * ```ts ignore
 * import { assertEquals, assertThrows } from "@std/assert";
 * assertEquals(syscall("fcntl", 0, 1, 0) >= 0, true);
 * assertThrows(() => syscall("chdir", "/nowhere"), Error, 'chdir("/nowhere"): ENOENT');
 * ```
 */
export function syscall(name: SyscallName, ...args: Argument[]): number {
  return borrowing(args, ([a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n]) => {
    const result = Number(libc().syscall(BigInt(SYSCALL_NUMBERS[name]), a, b, c, d, e, f));
    if (result < 0) throw new SyscallError(name, args, lastErrno());
    return result;
  });
}

/**
 * Copies bytes, or a text as a C string, to memory that is never freed.
 *
 * For what a structure points to, for the arguments of a call before which no memory can be taken, and for what
 * is passed again and again.
 *
 * @returns The address.
 */
export function keepInMemory(content: Bytes | string): number {
  return copyToArena(typeof content === "string" ? cString(content) : content);
}

/**
 * Starts a program as a child, with this thread's credentials, root and signal mask: posix_spawn(3).
 *
 * The child gets every descriptor that is not marked to be closed at exec.
 *
 * @returns The child's process id.
 * @throws {SyscallError}
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
 * Gives the kernel back what libc's allocator has at hand, and nobody needs by now: malloc_trim(3).
 *
 * @throws {Error} when libc has no such function.
 */
export function trimHeap(): void {
  openLibc(TRIM_SYMBOLS).malloc_trim(0n);
}

/** Does something with arguments as the kernel takes them; what it writes to bytes is there afterwards. */
function borrowing<T>(args: readonly Argument[], act: (words: readonly bigint[]) => T): T {
  const marks = arenas.map(({ used }) => used);
  try {
    const words = args.map(wordOf);
    const result = act(words);
    args.forEach((argument, i) => {
      if (argument instanceof Uint8Array) copyOut(argument, Number(words[i]));
    });
    return result;
  } finally {
    // Those that were begun for these arguments alone are used from their start on.
    arenas.forEach((arena, i) => arena.used = marks[i] ?? 0);
  }
}

function wordOf(argument: Argument): bigint {
  if (argument === null) return 0n;
  if (typeof argument === "number" || typeof argument === "bigint") {
    return BigInt.asIntN(64, BigInt(argument));
  }
  if (typeof argument === "string" || argument instanceof Uint8Array) {
    return BigInt(keepInMemory(argument));
  }
  return BigInt(keepInMemory(asBytes(new BigUint64Array(argument.map(wordOf)))));
}

function copyToArena(bytes: Bytes): number {
  // One byte at least: an address of nothing is an address, too.
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
  // Nothing is copied: it returns where it would be.
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
 * A text as C has it, with NUL at its end.
 *
 * @throws {TypeError} when the text has a NUL character, which would cut it short in silence.
 */
export function cString(text: string): Bytes {
  if (text.includes("\0")) {
    throw new TypeError(`${JSON.stringify(text)} has a NUL character, which no name can have`);
  }
  return encoder.encode(`${text}\0`);
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
