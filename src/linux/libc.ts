/**
 * The one door to the kernel: libc, opened once, and the only place that knows FFI.
 *
 * Nearly all goes through syscall(2): each function that Deno binds costs a fraction of a millisecond of
 * every start, one function for all calls costs it once, and no old libc lacks a call of a new kernel.
 * Addresses are plain numbers, since Deno makes pointers only for programs whose FFI is not scoped.
 *
 * @module
 */

import { SyscallError } from "./errno.ts";
import { SYSCALL_NUMBERS, type SyscallName } from "./syscall_numbers.ts";

const SYMBOLS = {
  syscall: { parameters: ["i64", "u64", "u64", "u64", "u64", "u64", "u64"], result: "i64" },
  __errno_location: { parameters: [], result: "u64" },
  malloc: { parameters: ["usize"], result: "u64" },
  free: { parameters: ["u64"], result: "void" },
  copyIn: { name: "memcpy", parameters: ["u64", "buffer", "usize"], result: "void" },
  copyOut: { name: "memcpy", parameters: ["buffer", "u64", "usize"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** Bound only by who starts another process. */
const SPAWN_SYMBOLS = {
  posix_spawn: { parameters: ["u64", "u64", "u64", "u64", "u64", "u64"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/**
 * Where hosts keep libc. Absolute, because Deno resolves a bare name in a permission against the working
 * directory, which here is one that stage0 made.
 */
const LIBC_PATHS: Readonly<Record<string, readonly string[]>> = {
  x86_64: ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"],
  aarch64: ["/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"],
};

/** Bytes that are passed to the kernel, and hold what it wrote when the call is done. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** What a system call takes: a number, a text that becomes a C string, bytes by address, or a null. */
export type Argument = number | bigint | string | Bytes | null;

let opened: Deno.DynamicLibrary<typeof SYMBOLS>["symbols"] | undefined;

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
  const { call, memory } = prepare(args);
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = call;
  const result = libc().syscall(BigInt(SYSCALL_NUMBERS[name]), a, b, c, d, e, f);
  const errno = result < 0 ? lastErrno() : 0;
  memory.forEach(giveBack);
  if (errno !== 0) throw new SyscallError(name, args, errno);
  return Number(result);
}

/**
 * An array of C strings with a null pointer at its end, as execve(2) takes it.
 *
 * The strings are never freed: what they are for replaces the whole process.
 */
export function cStringArray(texts: readonly string[]): Bytes {
  return asBytes(new BigUint64Array([...texts.map(keepInMemory), 0n]));
}

/**
 * Copies bytes, or a text as a C string, to memory that is never freed.
 *
 * For what a structure points to, and for the arguments of a call before which no memory can be taken.
 *
 * @returns The address.
 */
export function keepInMemory(content: Bytes | string): bigint {
  return allocate(typeof content === "string" ? cString(content) : content);
}

/** The bytes behind a typed array. */
export function asBytes(
  words: BigUint64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
): Bytes {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
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
  const { posix_spawn } = openLibc(SPAWN_SYMBOLS);
  const pid = new Int32Array(1);
  const { call, memory } = prepare([
    asBytes(pid),
    path,
    null,
    null,
    cStringArray(argv),
    cStringArray(environment),
  ]);
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = call;
  const errno = posix_spawn(a, b, c, d, e, f);
  memory.forEach(giveBack);
  if (errno !== 0) throw new SyscallError("posix_spawn", [path], errno);
  return pid[0]!;
}

/** Memory of libc's own that an argument was copied to, where no garbage collector moves it. */
interface Borrowed {
  address: bigint;
  /** Where the caller wants to see what the kernel wrote. */
  writeBack: Bytes | undefined;
}

function prepare(args: readonly Argument[]): { call: bigint[]; memory: Borrowed[] } {
  const memory: Borrowed[] = [];
  const borrow = (bytes: Bytes, writeBack?: Bytes) => {
    const address = allocate(bytes);
    memory.push({ address, writeBack });
    return address;
  };
  const call = args.map((argument) => {
    if (argument === null) return 0n;
    if (typeof argument === "string") return borrow(cString(argument));
    if (argument instanceof Uint8Array) return borrow(argument, argument);
    // The kernel takes a negative number as the large one of the same bits.
    return BigInt.asUintN(64, BigInt(argument));
  });
  return { call, memory };
}

function giveBack({ address, writeBack }: Borrowed): void {
  if (writeBack) libc().copyOut(writeBack, address, BigInt(writeBack.length));
  libc().free(address);
}

function allocate(bytes: Bytes): bigint {
  const size = BigInt(bytes.length);
  // malloc(3) may return null for nothing, which to a call means something else.
  const address = libc().malloc(size === 0n ? 1n : size);
  if (address === 0n) throw new Error(`out of memory for ${size} bytes`);
  libc().copyIn(address, bytes, size);
  return address;
}

function cString(text: string): Bytes {
  if (text.includes("\0")) {
    throw new TypeError(`${JSON.stringify(text)} has a NUL character, which no name can have`);
  }
  return new TextEncoder().encode(`${text}\0`);
}

function lastErrno(): number {
  const errno = new Int32Array(1);
  libc().copyOut(asBytes(errno), libc().__errno_location(), 4n);
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
