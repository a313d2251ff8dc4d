import { assertEquals } from "@std/assert";
import type { Bytes } from "./bytes.ts";
import { type Executable, isOwnMachine, machineName, readExecutable } from "./executable.ts";
import { ARCHITECTURE } from "./syscall_numbers.ts";

function read(content: string | Bytes): Executable {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return readExecutable((offset, length) => bytes.subarray(offset, offset + length));
}

/** What a test has to say of an ELF file; the rest is as in a program that is whole. */
interface ElfOptions {
  bits?: 32 | 64;
  bigEndian?: boolean;
  machine?: number;
  /** The bytes where the interpreter's path is. */
  interpreter?: string;
  headersAt?: number;
  count?: number;
  interpreterAt?: bigint;
  pathLength?: bigint;
}

/** Makes an ELF file of two program headers, the second of which names an interpreter. */
function elf(options: ElfOptions): Bytes {
  const { bits = 64, bigEndian = false, machine = 62, interpreter = "/lib/ld.so\0" } = options;
  const { headersAt = 600, count = 2, interpreterAt = 900n } = options;
  const { pathLength = BigInt(interpreter.length) } = options;
  const bytes = new Uint8Array(1024);
  const view = new DataView(bytes.buffer);
  const isLittle = !bigEndian;
  bytes.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, bigEndian ? 2 : 1]);
  view.setUint16(18, machine, isLittle);
  const size = bits === 64 ? 56 : 32;
  const word = (at: number, value: bigint) =>
    bits === 64
      ? view.setBigUint64(at, value, isLittle)
      : view.setUint32(at, Number(value), isLittle);
  word(bits === 64 ? 32 : 28, BigInt(headersAt));
  view.setUint16(bits === 64 ? 54 : 42, size, isLittle);
  view.setUint16(bits === 64 ? 56 : 44, count, isLittle);
  if (headersAt < 900) {
    view.setUint32(headersAt, 1, isLittle);
    view.setUint32(headersAt + size, 3, isLittle);
    word(headersAt + size + (bits === 64 ? 8 : 4), interpreterAt);
    word(headersAt + size + (bits === 64 ? 32 : 16), pathLength);
  }
  bytes.set(new TextEncoder().encode(interpreter), 900);
  return bytes;
}

Deno.test("a script's interpreter is the first word of its first line", () => {
  const lines: [string, string][] = [
    ["#!/bin/sh", "/bin/sh"],
    ["#!/bin/sh\n", "/bin/sh"],
    ["#! \t/usr/bin/env python3\nimport os\n", "/usr/bin/env"],
    ["#!python -x\n", "python"],
    ["#!/bin/sh\r\necho\r\n", "/bin/sh\r"],
    ["#!/opt/żółw\n", "/opt/żółw"],
  ];
  for (const [text, interpreter] of lines) {
    assertEquals(read(text), { kind: "script", interpreter });
  }
});

Deno.test("a file that is neither a program nor a script is unknown, or empty", () => {
  assertEquals(read(""), { kind: "empty" });
  const unknown = [
    "#!",
    "#! \n/bin/sh\n",
    "echo hello\n",
    "\x7fEL",
    "\x7fELF\x02\x01",
    "#!\0/bin/sh",
  ];
  for (const text of unknown) assertEquals(read(text), { kind: "unknown" });
});

Deno.test("a program's processor and interpreter are found in both classes of ELF", () => {
  for (const [bits, machine] of [[64, 62], [64, 183], [32, 3], [32, 40]] as const) {
    const interpreter = "/lib/ld.so";
    assertEquals(read(elf({ bits, machine })), { kind: "elf", machine, interpreter });
  }
});

Deno.test("of a program with the other order of bytes, only the processor is read", () => {
  const found = read(elf({ machine: 22, bigEndian: true }));
  assertEquals(found, { kind: "elf", machine: 22, interpreter: undefined });
  assertEquals(machineName(22), "s390");
  assertEquals(machineName(4711), "processor 4711");
});

Deno.test("headers and paths that cannot be are passed over, however large they claim to be", () => {
  const none = { kind: "elf", machine: 62, interpreter: undefined } as const;
  const odd: ElfOptions[] = [
    { count: 0 },
    { count: 65535 },
    { headersAt: 1023 },
    { headersAt: Number.MAX_SAFE_INTEGER },
    { interpreterAt: 2n ** 64n - 1n },
    { pathLength: 2n ** 64n - 1n },
    { pathLength: 5000n },
    { interpreter: "\0" },
  ];
  for (const options of odd) assertEquals(read(elf(options)), none);
});

Deno.test("the path of an interpreter may have any bytes", () => {
  const script = read(Uint8Array.of(0x23, 0x21, 0x2f, 0xff, 0x0a));
  assertEquals(script, { kind: "script", interpreter: "/\udcff" });
});

Deno.test("every file of up to a few bytes is read to its end without an error", () => {
  const whole = elf({});
  for (let length = 0; length < 100; length++) read(whole.slice(0, length));
});

Deno.test("a processor executes its own programs and those of its 32-bit mode", () => {
  const own = ARCHITECTURE === "x86_64" ? [62, 3] : [183, 40];
  const all = [3, 22, 40, 62, 183, 243];
  assertEquals(all.filter(isOwnMachine).sort(), own.sort());
});
