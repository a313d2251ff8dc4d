/**
 * What a program's file says of itself, as the kernel reads it before it executes the file: elf(5),
 * and execve(2) on scripts.
 *
 * The file may be anything: what is read of it is bounded, whatever it says.
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";
import { ARCHITECTURE } from "./syscall_numbers.ts";
import { decodeText } from "./text.ts";

/** What the first bytes of a file say. */
export type Executable =
  /** A script. Its interpreter is a path as the script has it. */
  | { kind: "script"; interpreter: string }
  /** An ELF program of a processor; its interpreter is the dynamic loader, if it needs one. */
  | { kind: "elf"; machine: number; interpreter: string | undefined }
  | { kind: "empty" }
  | { kind: "unknown" };

/**
 * Reads a part of a file.
 *
 * @returns Fewer bytes than `length` at the file's end.
 */
export type ReadPart = (offset: number, length: number) => Bytes;

/** How much of a file the kernel looks at first (`BINPRM_BUF_SIZE`). */
const FIRST_PART = 256;
const ELF_MAGIC = "\x7fELF";
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;
const PT_INTERP = 3;
/** The kernel takes no program headers that are longer. */
const LONGEST_HEADERS = 65536;
/** The most bytes of a path: `PATH_MAX`. */
const LONGEST_PATH = 4096;

/** The fields of an ELF file, where each class has them: elf(5). */
const LAYOUTS = {
  32: {
    headers: 28,
    entrySize: 42,
    entryCount: 44,
    entry: { length: 32, offset: 4, size: 16 },
  },
  64: {
    headers: 32,
    entrySize: 54,
    entryCount: 56,
    entry: { length: 56, offset: 8, size: 32 },
  },
} as const;

type Layout = typeof LAYOUTS[32 | 64];

/** The names of processors by their numbers in ELF files: `linux/elf-em.h`. */
const MACHINES: Readonly<Record<number, string>> = {
  2: "sparc",
  3: "i386",
  8: "mips",
  20: "ppc",
  21: "ppc64",
  22: "s390",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv",
  258: "loongarch",
};

/** What a processor executes: programs of its own, and of its 32-bit mode. */
const EXECUTED: Readonly<Record<string, readonly number[]>> = {
  x86_64: [62, 3],
  aarch64: [183, 40],
};

/**
 * Reads what a file says of itself.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const text = new TextEncoder().encode("#! /bin/sh -e\n");
 * assertEquals(readExecutable((offset, length) => text.subarray(offset, offset + length)), {
 *   kind: "script",
 *   interpreter: "/bin/sh",
 * });
 * ```
 */
export function readExecutable(read: ReadPart): Executable {
  const first = read(0, FIRST_PART);
  if (first.length === 0) return { kind: "empty" };
  const interpreter = interpreterOfScript(first);
  if (interpreter !== undefined) return { kind: "script", interpreter };
  if (decodeText(first.subarray(0, ELF_MAGIC.length)) !== ELF_MAGIC) return { kind: "unknown" };
  return readElf(first, read) ?? { kind: "unknown" };
}

/** Returns the name of a processor, by its number in ELF files. */
export function machineName(machine: number): string {
  return MACHINES[machine] ?? `processor ${machine}`;
}

/** Tells whether this machine's processor executes programs of a processor. */
export function isOwnMachine(machine: number): boolean {
  return EXECUTED[ARCHITECTURE]!.includes(machine);
}

/** The interpreter ends at a blank or at the end of the line, and may have blanks before it. */
function interpreterOfScript(first: Bytes): string | undefined {
  return /^#![ \t]*([^ \t\n\0]+)/.exec(decodeText(first))?.[1];
}

/** @returns `undefined` when the file is too short to be of a processor. */
function readElf(first: Bytes, read: ReadPart): Executable | undefined {
  const layout = first[4] === CLASS_64 ? LAYOUTS[64] : LAYOUTS[32];
  const isLittle = first[5] === LITTLE_ENDIAN;
  if (first.length < layout.entryCount + 2) return undefined;
  const machine = viewOf(first).getUint16(18, isLittle);
  // Only of a processor that has the same order of bytes is more read.
  const interpreter = isLittle ? interpreterOfElf(first, layout, read) : undefined;
  return { kind: "elf", machine, interpreter };
}

function interpreterOfElf(first: Bytes, layout: Layout, read: ReadPart): string | undefined {
  const header = viewOf(first);
  const size = header.getUint16(layout.entrySize, true);
  const length = size * header.getUint16(layout.entryCount, true);
  if (size !== layout.entry.length || length > LONGEST_HEADERS) return undefined;
  const headers = viewOf(read(wordAt(header, layout.headers, layout), length));
  for (let at = 0; at + size <= headers.byteLength; at += size) {
    if (headers.getUint32(at, true) !== PT_INTERP) continue;
    const offset = wordAt(headers, at + layout.entry.offset, layout);
    const pathLength = wordAt(headers, at + layout.entry.size, layout);
    if (pathLength > LONGEST_PATH) return undefined;
    return decodeText(read(offset, pathLength)).replace(/\0.*$/s, "") || undefined;
  }
  return undefined;
}

/** Reads a word, which may be anything, as an offset or a length that a file can have. */
function wordAt(view: DataView, at: number, layout: Layout): number {
  if (layout === LAYOUTS[32]) return view.getUint32(at, true);
  const word = view.getBigUint64(at, true);
  return word <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(word) : Number.MAX_SAFE_INTEGER;
}

function viewOf({ buffer, byteOffset, byteLength }: Bytes): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}
