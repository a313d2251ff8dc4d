/**
 * Rules about which devices the processes of a cgroup may use, in both forms that the kernel takes:
 * lines for version 1's controller `devices`, and the eBPF program that version 2 has instead.
 *
 * See the kernel's `admin-guide/cgroup-v1/devices.rst`, `admin-guide/cgroup-v2.rst` and
 * `uapi/linux/bpf.h`.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import type { DeviceNumber } from "./stat.ts";

/** Devices, and what may be done with them. What no rule allows is refused. */
export interface DeviceRule extends Omit<DeviceNumber, "minor"> {
  /** Without it, the rule is about all devices of the major number. */
  minor?: number;
  /** `r` is reading, `w` writing, `m` making a device file. */
  access: "rw" | "rwm";
}

/** One instruction of eBPF: `struct bpf_insn`. */
export interface EbpfInstruction {
  code: number;
  dst: number;
  src: number;
  off: number;
  imm: number;
}

/** `BPF_LDX | BPF_MEM | BPF_W`: `dst = *(u32 *)(src + off)`. */
const LOAD_WORD = 0x61;
/** `BPF_ALU | BPF_MOV | BPF_X`: `dst = src`. */
const COPY = 0xbc;
/** `BPF_ALU | BPF_MOV | BPF_K`: `dst = imm`. */
const SET = 0xb4;
/** `BPF_ALU | BPF_AND | BPF_K`: `dst &= imm`. */
const AND = 0x54;
/** `BPF_ALU | BPF_RSH | BPF_K`: `dst >>= imm`. */
const SHIFT_RIGHT = 0x74;
/** `BPF_JMP | BPF_JNE | BPF_K`: skips `off` instructions unless `dst` is `imm`. */
const SKIP_UNLESS = 0x55;
/** `BPF_JMP | BPF_EXIT`: ends with the value of register 0. */
const EXIT = 0x95;

/**
 * Offsets in `struct bpf_cgroup_dev_ctx`. The upper half of the first word is the access, the lower
 * half the kind.
 */
const CONTEXT = { access: 0, major: 4, minor: 8 } as const;
const KIND: Readonly<Record<DeviceRule["kind"], number>> = { block: 1, character: 2 };
const BPF_DEVCG_ACC_MKNOD = 1;

/** Registers: the verdict, the context at the start, and what is read from the context. */
const R = { verdict: 0, context: 1, kind: 2, access: 3, major: 4, minor: 5 } as const;
const ALLOW = 1;
const REFUSE = 0;

/**
 * Writes a rule as `devices.allow` takes it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(ruleText({ kind: "character", major: 1, minor: 3, access: "rwm" }), "c 1:3 rwm");
 * assertEquals(ruleText({ kind: "block", major: 8, access: "rw" }), "b 8:* rw");
 * ```
 */
export function ruleText({ kind, major, minor, access }: DeviceRule): string {
  return `${kind === "block" ? "b" : "c"} ${major}:${minor ?? "*"} ${access}`;
}

/**
 * Returns the program that allows what the rules allow: it returns 1 for that, and 0 for all else.
 */
export function assembleRules(rules: readonly DeviceRule[]): EbpfInstruction[] {
  return [
    instruction(LOAD_WORD, { dst: R.access, src: R.context, off: CONTEXT.access }),
    instruction(COPY, { dst: R.kind, src: R.access }),
    instruction(AND, { dst: R.kind, imm: 0xffff }),
    instruction(SHIFT_RIGHT, { dst: R.access, imm: 16 }),
    instruction(LOAD_WORD, { dst: R.major, src: R.context, off: CONTEXT.major }),
    instruction(LOAD_WORD, { dst: R.minor, src: R.context, off: CONTEXT.minor }),
    ...rules.flatMap(assembleRule),
    ...end(REFUSE),
  ];
}

/** Encodes a program as the kernel reads it. */
export function encodeInstructions(program: readonly EbpfInstruction[]): Bytes {
  return asBytes(
    new Uint32Array(
      program.flatMap(({ code, dst, src, off, imm }) => [
        code | dst << 8 | src << 12 | off << 16,
        imm,
      ]),
    ),
  );
}

/** Returns 1 where the rule applies; otherwise the program goes on behind it. */
function assembleRule({ kind, major, minor, access }: DeviceRule): EbpfInstruction[] {
  const conditions = [
    { register: R.kind, value: KIND[kind] },
    { register: R.major, value: major },
    ...(minor === undefined ? [] : [{ register: R.minor, value: minor }]),
  ];
  // Each kind of access that is asked for is one bit. A rule that allows all need not look.
  const asksToMake = [
    instruction(COPY, { dst: R.verdict, src: R.access }),
    instruction(AND, { dst: R.verdict, imm: BPF_DEVCG_ACC_MKNOD }),
  ];
  const yes = end(ALLOW);
  const tail = access === "rwm"
    ? yes
    : [...asksToMake, skipUnless(R.verdict, 0, yes.length), ...yes];
  return [
    ...conditions.map(({ register, value }, i) =>
      skipUnless(register, value, conditions.length - 1 - i + tail.length)
    ),
    ...tail,
  ];
}

function end(verdict: number): EbpfInstruction[] {
  return [instruction(SET, { dst: R.verdict, imm: verdict }), instruction(EXIT, {})];
}

function skipUnless(register: number, value: number, distance: number): EbpfInstruction {
  return instruction(SKIP_UNLESS, { dst: register, imm: value, off: distance });
}

function instruction(
  code: number,
  fields: Partial<Omit<EbpfInstruction, "code">>,
): EbpfInstruction {
  return { code, dst: 0, src: 0, off: 0, imm: 0, ...fields };
}
