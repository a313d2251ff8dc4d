import { assertEquals, assertThrows } from "@std/assert";
import { type NamedFilter, resolveFilter } from "./named_filter.ts";
import {
  ARCHITECTURE_OFFSET,
  assembleFilter,
  AUDIT_ARCH,
  encodeProgram,
  type Instruction,
  JUMP,
  JUMP_IF_AT_LEAST,
  JUMP_IF_EQUAL,
  LOAD_WORD,
  NUMBER_OFFSET,
  programLength,
  RETURN,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
} from "./seccomp_program.ts";
import type { Architecture } from "./syscall_numbers.ts";
import { syscallNumber } from "./syscall_table.ts";

const ARCHITECTURES: Architecture[] = ["x86_64", "aarch64"];
const AUDIT_ARCH_I386 = 0x4000_0003;
const X32 = 0x4000_0000;
const ENOTTY = 25;
/** The most instructions that the kernel takes. */
const BPF_MAXINSNS = 4096;

/** What the kernel's machine makes of a call, and after how many instructions. */
function interpret(program: readonly Instruction[], architecture: number, number: number) {
  const data = new Map([[ARCHITECTURE_OFFSET, architecture], [NUMBER_OFFSET, number]]);
  let word = 0;
  let steps = 0;
  for (let at = 0;; at++) {
    steps++;
    const { code, jt, jf, k } = program[at]!;
    if (Math.max(jt, jf) > 255) throw new RangeError(`a jump too long for a byte at ${at}`);
    if (code === RETURN) return { verdict: k, steps };
    else if (code === LOAD_WORD) word = data.get(k)!;
    else if (code === JUMP) at += k;
    else if (code === JUMP_IF_EQUAL) at += word === k ? jt : jf;
    else if (code === JUMP_IF_AT_LEAST) at += word >= k ? jt : jf;
    else throw new Error(`unknown instruction ${code}`);
  }
}

function assemble(filter: NamedFilter, architecture: Architecture): Instruction[] {
  return assembleFilter(resolveFilter(filter, architecture), architecture);
}

/** Asks for a call by name, natively. */
function verdict(filter: NamedFilter, architecture: Architecture, name: string): number {
  const number = syscallNumber(name, architecture)!;
  return interpret(assemble(filter, architecture), AUDIT_ARCH[architecture], number).verdict;
}

for (const architecture of ARCHITECTURES) {
  Deno.test(`an allow-list lets through what it names, on ${architecture}`, () => {
    const filter: NamedFilter = { mode: "allow", syscalls: ["read", "execve", "mkdirat"] };
    assertEquals(verdict(filter, architecture, "read"), SECCOMP_RET_ALLOW);
    assertEquals(verdict(filter, architecture, "mkdirat"), SECCOMP_RET_ALLOW);
    assertEquals(verdict(filter, architecture, "write"), SECCOMP_RET_KILL_PROCESS);
    assertEquals(
      verdict({ ...filter, errno: "ENOTTY" }, architecture, "openat2"),
      SECCOMP_RET_ERRNO | ENOTTY,
    );
  });

  Deno.test(`a deny-list refuses what it names, on ${architecture}`, () => {
    const filter: NamedFilter = { mode: "deny", syscalls: ["mkdirat"], errno: "ENOTTY" };
    assertEquals(verdict(filter, architecture, "mkdirat"), SECCOMP_RET_ERRNO | ENOTTY);
    assertEquals(verdict(filter, architecture, "read"), SECCOMP_RET_ALLOW);
    assertEquals(
      verdict({ mode: "deny", syscalls: ["mkdirat"] }, architecture, "mkdirat"),
      SECCOMP_RET_KILL_PROCESS,
    );
  });

  Deno.test(`every number gets the verdict of the list, on ${architecture}`, () => {
    const all = Array.from({ length: 470 }, (_, number) => number);
    const syscalls = ["read", "write", "openat", "kill", "execve", "mseal", "pidfd_open"];
    const listed = new Set(syscalls.map((name) => syscallNumber(name, architecture)));
    const program = assemble({ mode: "allow", syscalls }, architecture);
    for (const number of all) {
      const { verdict } = interpret(program, AUDIT_ARCH[architecture], number);
      assertEquals(verdict === SECCOMP_RET_ALLOW, listed.has(number), `number ${number}`);
    }
  });

  Deno.test(`a foreign architecture ends the process, on ${architecture}`, () => {
    for (const mode of ["allow", "deny"] as const) {
      const filter: NamedFilter = { mode, syscalls: ["read"], errno: "EPERM" };
      const program = assemble(filter, architecture);
      for (const foreign of [AUDIT_ARCH_I386, ...Object.values(AUDIT_ARCH)]) {
        if (foreign === AUDIT_ARCH[architecture]) continue;
        assertEquals(interpret(program, foreign, 0).verdict, SECCOMP_RET_KILL_PROCESS);
      }
    }
  });
}

Deno.test("x32 calls are refused on x86-64, whatever the list", () => {
  for (const mode of ["allow", "deny"] as const) {
    const program = assemble({ mode, syscalls: ["read"], errno: "ENOTTY" }, "x86_64");
    for (const number of [X32, X32 + 1, X32 + 512, 0xffff_ffff]) {
      const { verdict } = interpret(program, AUDIT_ARCH.x86_64, number);
      assertEquals(verdict, SECCOMP_RET_ERRNO | ENOTTY);
    }
  }
});

Deno.test("calls that an architecture does not have are passed over", () => {
  const filter: NamedFilter = { mode: "deny", syscalls: ["mkdir", "socketcall", "mkdirat"] };
  assertEquals(verdict(filter, "aarch64", "mkdirat"), SECCOMP_RET_KILL_PROCESS);
  assertEquals(verdict(filter, "aarch64", "read"), SECCOMP_RET_ALLOW);
});

Deno.test("a list of every second call still has short ways", () => {
  const known = Array.from({ length: 470 }, (_, number) => number);
  const names = namesByNumber();
  const syscalls = known.filter((number) => number % 2 === 0)
    .flatMap((number) => names.get(number) ?? []);
  const program = assemble({ mode: "allow", syscalls }, "x86_64");
  assertEquals(program.length < BPF_MAXINSNS, true);
  for (const number of known) {
    const { verdict, steps } = interpret(program, AUDIT_ARCH.x86_64, number);
    const expected = number % 2 === 0 && names.has(number);
    assertEquals(verdict === SECCOMP_RET_ALLOW, expected, `number ${number}`);
    assertEquals(steps <= 20, true, `${steps} steps`);
  }
});

Deno.test("a call that is listed twice is listed", () => {
  const filter: NamedFilter = { mode: "allow", syscalls: ["write", "read", "write"] };
  assertEquals(
    assemble(filter, "x86_64"),
    assemble({ ...filter, syscalls: ["read", "write"] }, "x86_64"),
  );
});

Deno.test("an empty deny-list lets everything native through", () => {
  assertEquals(verdict({ mode: "deny", syscalls: [] }, "x86_64", "reboot"), SECCOMP_RET_ALLOW);
});

Deno.test("an error that Linux does not have is refused", () => {
  const filter: NamedFilter = { mode: "deny", syscalls: [], errno: "EBOGUS" };
  assertThrows(() => assemble(filter, "x86_64"), RangeError, "EBOGUS");
});

Deno.test("an instruction takes eight bytes, as struct sock_filter has it", () => {
  const encoded = encodeProgram([
    { code: JUMP_IF_EQUAL, jt: 1, jf: 255, k: AUDIT_ARCH.x86_64 },
    { code: RETURN, jt: 0, jf: 0, k: SECCOMP_RET_KILL_PROCESS },
  ]);
  assertEquals([...encoded], [0x15, 0, 1, 255, 0x3e, 0, 0, 0xc0, 6, 0, 0, 0, 0, 0, 0, 0x80]);
  assertEquals(programLength(encoded), 2);
});

/** The table the other way around: every word of its source that is a call's name. */
function namesByNumber(): Map<number, string> {
  const text = Deno.readTextFileSync(new URL("./syscall_table.ts", import.meta.url));
  const words = new Set(text.match(/[a-z_][a-z0-9_]+/g));
  return new Map([...words].flatMap((name) => {
    const number = syscallNumber(name, "x86_64");
    return number === undefined ? [] : [[number, name] as const];
  }));
}
