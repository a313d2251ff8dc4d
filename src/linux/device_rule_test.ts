import { assertEquals } from "@std/assert";
import {
  assembleRules,
  type DeviceRule,
  type EbpfInstruction,
  encodeInstructions,
} from "./device_rule.ts";

/** The kinds of access to a device, in the kernel's bits. */
const ASKED = { mknod: 1, read: 2, write: 4 } as const;

const NULL: DeviceRule = { kind: "character", major: 1, minor: 3, access: "rwm" };
const TERMINALS: DeviceRule = { kind: "character", major: 136, access: "rw" };
const DISK: DeviceRule = { kind: "block", major: 8, minor: 1, access: "rw" };
const PROGRAM = assembleRules([NULL, TERMINALS, DISK]);

/** Runs a program as the kernel does, as far as these programs go. */
function run(program: readonly EbpfInstruction[], context: readonly number[]): number {
  const registers = new Uint32Array(11);
  for (let at = 0; at < program.length; at++) {
    const { code, dst, src, off, imm } = program[at]!;
    if (code === 0x61) registers[dst] = context[off / 4]!;
    else if (code === 0xbc) registers[dst] = registers[src]!;
    else if (code === 0xb4) registers[dst] = imm;
    else if (code === 0x54) registers[dst] = registers[dst]! & imm;
    else if (code === 0x74) registers[dst] = registers[dst]! >>> imm;
    else if (code === 0x55) at += registers[dst] === imm ? 0 : off;
    else if (code === 0x95) return registers[0]!;
    else throw new Error(`no such instruction: ${code}`);
  }
  throw new Error("the program has no end");
}

function allowed(
  kind: DeviceRule["kind"],
  major: number,
  minor: number,
  asked: keyof typeof ASKED,
): boolean {
  const access = ASKED[asked] << 16 | (kind === "block" ? 1 : 2);
  return run(PROGRAM, [access, major, minor]) === 1;
}

Deno.test("a device of the rules may be used, its neighbours may not", () => {
  assertEquals(allowed("character", 1, 3, "read"), true);
  assertEquals(allowed("character", 1, 4, "read"), false);
  assertEquals(allowed("character", 2, 3, "read"), false);
  assertEquals(allowed("block", 1, 3, "read"), false);
  assertEquals(allowed("block", 8, 1, "write"), true);
  assertEquals(allowed("character", 10, 237, "write"), false);
});

Deno.test("a file for a device may be made only where the rule says so", () => {
  assertEquals(allowed("character", 1, 3, "mknod"), true);
  assertEquals(allowed("character", 136, 7, "mknod"), false);
  assertEquals(allowed("block", 8, 1, "mknod"), false);
});

Deno.test("a rule without a minor number is for all of the major one", () => {
  assertEquals([0, 7, 1_000_000].map((minor) => allowed("character", 136, minor, "write")), [
    true,
    true,
    true,
  ]);
});

Deno.test("a program without rules refuses everything", () => {
  assertEquals(run(assembleRules([]), [ASKED.read << 16 | 2, 1, 3]), 0);
});

Deno.test("instructions are eight bytes: code, registers, offset, number", () => {
  const [load] = PROGRAM;
  assertEquals([...encodeInstructions([load!])], [0x61, 0x13, 0, 0, 0, 0, 0, 0]);
  const skip = { code: 0x55, dst: 2, src: 0, off: 5, imm: 258 };
  assertEquals([...encodeInstructions([skip])], [0x55, 2, 5, 0, 2, 1, 0, 0]);
});
