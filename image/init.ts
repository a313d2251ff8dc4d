/**
 * `init`, the one program of the image that is not Deno's: it maps a list of system calls that `run` or `enter`
 * wrote (`src/linux/call_script.ts`), and makes them one after the other. It knows nothing else.
 *
 * It is pid 1 of a pod, and what every app and command begins as, so it has to be small and to need nothing: no
 * libc, no stack, no memory but that list. What is to be done is decided in TypeScript; this only does it.
 *
 * @module
 */

import {
  ENTRY_WORDS,
  HOW_WORD,
  MAY_FAIL,
  PARENT_ENDS,
  RESULT_WORD,
  SCRIPT_ADDRESS,
  SCRIPT_FAILURE,
  SCRIPT_SIZE,
} from "../src/linux/call_script.ts";

/** One instruction: its bytes, as hexadecimal digits, and how an assembler has it. */
export type Instruction = readonly [code: string, text: string];

/** `_start` finds its arguments at the stack pointer: their number, the program's name, the descriptor. */
const X86_64: readonly Instruction[] = [
  ["488b742410", "mov rsi, [rsp+0x10]"],
  ["4531c0", "xor r8d, r8d"],
  // The descriptor's decimal digits become r8, where mmap takes it.
  ["0fb606", "movzx eax, byte [rsi]"],
  ["84c0", "test al, al"],
  ["740e", "je +14"],
  ["456bc00a", "imul r8d, r8d, 10"],
  ["458d4400d0", "lea r8d, [r8+rax-0x30]"],
  ["48ffc6", "inc rsi"],
  ["ebeb", "jmp -21"],
  // mmap(SCRIPT_ADDRESS, SCRIPT_SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED, fd, 0)
  ["bf" + le32(SCRIPT_ADDRESS), "mov edi, SCRIPT_ADDRESS"],
  ["be" + le32(SCRIPT_SIZE), "mov esi, SCRIPT_SIZE"],
  ["ba03000000", "mov edx, 3"],
  ["41ba11000000", "mov r10d, 0x11"],
  ["4531c9", "xor r9d, r9d"],
  ["b809000000", "mov eax, 9"],
  ["0f05", "syscall"],
  ["4889c3", "mov rbx, rax"],
  // next: one entry of the list, at rbx
  ["488b7b08", "mov rdi, [rbx+8]"],
  ["488b7310", "mov rsi, [rbx+16]"],
  ["488b5318", "mov rdx, [rbx+24]"],
  ["4c8b5320", "mov r10, [rbx+32]"],
  ["4c8b4328", "mov r8, [rbx+40]"],
  ["4c8b4b30", "mov r9, [rbx+48]"],
  ["488b03", "mov rax, [rbx]"],
  ["0f05", "syscall"],
  ["488943" + byte(RESULT_WORD * 8), "mov [rbx+RESULT], rax"],
  ["488b4b" + byte(HOW_WORD * 8), "mov rcx, [rbx+HOW]"],
  ["31ff", "xor edi, edi"],
  ["4885c0", "test rax, rax"],
  ["780d", "js failed"],
  ["7405", "je advance"],
  ["f6c1" + byte(PARENT_ENDS), "test cl, PARENT_ENDS"],
  ["7510", "jne leave"],
  // advance:
  ["4883c3" + byte(ENTRY_WORDS * 8), "add rbx, ENTRY"],
  ["ebc7", "jmp next"],
  // failed:
  ["f6c1" + byte(MAY_FAIL), "test cl, MAY_FAIL"],
  ["75f5", "jne advance"],
  ["bf" + le32(SCRIPT_FAILURE), "mov edi, SCRIPT_FAILURE"],
  // leave: exit_group(edi)
  ["b8e7000000", "mov eax, 231"],
  ["0f05", "syscall"],
];

const AARCH64: readonly Instruction[] = [
  ["e10b40f9", "ldr x1, [sp, #16]"],
  ["040080d2", "mov x4, #0"],
  // The descriptor's decimal digits become x4, where mmap takes it.
  ["20144038", "ldrb w0, [x1], #1"],
  ["a0000034", "cbz w0, +20"],
  ["00c00051", "sub w0, w0, #48"],
  ["42018052", "mov w2, #10"],
  ["8400021b", "madd w4, w4, w2, w0"],
  ["fbffff17", "b -20"],
  // mmap(SCRIPT_ADDRESS, SCRIPT_SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED, fd, 0)
  [moveHigh(0, SCRIPT_ADDRESS), "mov x0, #SCRIPT_ADDRESS"],
  [moveHigh(1, SCRIPT_SIZE), "mov x1, #SCRIPT_SIZE"],
  ["620080d2", "mov x2, #3"],
  ["230280d2", "mov x3, #0x11"],
  ["050080d2", "mov x5, #0"],
  ["c81b80d2", "mov x8, #222"],
  ["010000d4", "svc #0"],
  ["f30300aa", "mov x19, x0"],
  // next: one entry of the list, at x19; the word after its arguments is how
  ["680240a9", "ldp x8, x0, [x19]"],
  ["610a41a9", "ldp x1, x2, [x19, #16]"],
  ["631242a9", "ldp x3, x4, [x19, #32]"],
  ["655243a9", "ldp x5, x20, [x19, #48]"],
  ["010000d4", "svc #0"],
  ["602200f9", "str x0, [x19, #RESULT]"],
  ["a000f8b7", "tbnz x0, #63, failed"],
  ["400000b4", "cbz x0, advance"],
  ["d4000837", "tbnz w20, #PARENT_ENDS, leave"],
  // advance:
  ["73220191", "add x19, x19, #ENTRY"],
  ["f6ffff17", "b next"],
  // failed:
  ["d4ff0737", "tbnz w20, #MAY_FAIL, advance"],
  ["c01f80d2", "mov x0, #SCRIPT_FAILURE"],
  ["02000014", "b quit"],
  // leave:
  ["000080d2", "mov x0, #0"],
  // quit: exit_group(x0)
  ["c80b80d2", "mov x8, #94"],
  ["010000d4", "svc #0"],
];

/**
 * The program's code, for reading it side by side with what a disassembler makes of it.
 *
 * @param arch The processor, in appc's spelling.
 */
export function initInstructions(arch: keyof typeof MACHINES): readonly Instruction[] {
  return MACHINES[arch].code;
}

/** The processors that there is an `init` for, as appc names them. */
const MACHINES = {
  amd64: { machine: 62, code: X86_64 },
  aarch64: { machine: 183, code: AARCH64 },
} as const;

/** Where the program is loaded: above what the kernel keeps free, below {@linkcode SCRIPT_ADDRESS}. */
const LOAD_ADDRESS = 0x40_0000;
const ELF_HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const CODE_OFFSET = ELF_HEADER_SIZE + 2 * PROGRAM_HEADER_SIZE;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474_e551;
const PF_R = 4;
const PF_W = 2;
const PF_X = 1;

/**
 * The program, as an ELF file: elf(5).
 *
 * @param arch The processor, in appc's spelling.
 */
export function initProgram(arch: keyof typeof MACHINES): Uint8Array<ArrayBuffer> {
  const { machine, code } = MACHINES[arch];
  const bytes = code.map(([digits]) => digits).join("");
  const size = CODE_OFFSET + bytes.length / 2;
  const file = new Uint8Array(size);
  file.set(elfHeader(machine));
  file.set(programHeader(PT_LOAD, PF_R | PF_X, size), ELF_HEADER_SIZE);
  // The kernel would make the stack executable for a program that does not say.
  file.set(programHeader(PT_GNU_STACK, PF_R | PF_W, 0), ELF_HEADER_SIZE + PROGRAM_HEADER_SIZE);
  file.set(Uint8Array.from(bytes.match(/../g) ?? [], (pair) => parseInt(pair, 16)), CODE_OFFSET);
  return file;
}

function elfHeader(machine: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(ELF_HEADER_SIZE));
  // 64 bits, little-endian, version 1, behind the magic number.
  [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].forEach((value, at) => view.setUint8(at, value));
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true); // EV_CURRENT
  view.setBigUint64(24, BigInt(LOAD_ADDRESS + CODE_OFFSET), true);
  view.setBigUint64(32, BigInt(ELF_HEADER_SIZE), true);
  view.setUint16(52, ELF_HEADER_SIZE, true);
  view.setUint16(54, PROGRAM_HEADER_SIZE, true);
  view.setUint16(56, 2, true); // e_phnum
  return new Uint8Array(view.buffer);
}

function programHeader(type: number, flags: number, size: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(PROGRAM_HEADER_SIZE));
  const address = BigInt(size === 0 ? 0 : LOAD_ADDRESS);
  view.setUint32(0, type, true);
  view.setUint32(4, flags, true);
  view.setBigUint64(16, address, true);
  view.setBigUint64(24, address, true);
  view.setBigUint64(32, BigInt(size), true);
  view.setBigUint64(40, BigInt(size), true);
  view.setBigUint64(48, 0x1000n, true);
  return new Uint8Array(view.buffer);
}

function byte(value: number): string {
  return value.toString(16).padStart(2, "0");
}

function le32(value: number): string {
  return [0, 8, 16, 24].map((shift) => byte((value >>> shift) & 0xff)).join("");
}

/** `movz`, with the upper half of 32 bits: the lower one has to be 0. */
function moveHigh(register: number, value: number): string {
  return le32((0xd2a0_0000 | (value >>> 16) << 5 | register) >>> 0);
}
