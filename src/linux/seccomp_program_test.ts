import { assertEquals, assertThrows } from "@std/assert";
import { type NamedFilter, resolveFilter } from "./named_filter.ts";
import {
  assembleFilter,
  AUDIT_ARCH,
  encodeProgram,
  type Instruction,
  JUMP_IF_EQUAL,
  programLength,
  RETURN,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
} from "./seccomp_program.ts";
import { interpret, verdictOf } from "./seccomp_testing.ts";
import type { Pass, ProcessFilter, SyscallFilter } from "./syscall_filter.ts";
import { type Abi, type Architecture, COMPAT_ARCHITECTURES } from "./syscall_numbers.ts";
import { syscallNumber, syscallTable } from "./syscall_table.ts";

const ARCHITECTURES: Architecture[] = ["x86_64", "aarch64"];
const X32 = 0x4000_0000;
const EPERM = 1;
const ENOTTY = 25;
const ENOSYS = 38;
/** Bits above those that the kernel reads of an int. */
const ABOVE = 0xdead_beefn << 32n;
/** The most instructions that the kernel takes. */
const BPF_MAXINSNS = 4096;

function assemble(filter: NamedFilter, architecture: Architecture): Instruction[] {
  return assembleFilter(resolveFilter(filter, architecture), architecture);
}

/** Returns what becomes of a native call, given by name. */
function verdict(
  filter: NamedFilter,
  architecture: Architecture,
  name: string,
  ...args: bigint[]
): number {
  const number = syscallNumber(name, architecture)!;
  return verdictOf(resolveFilter(filter, architecture), architecture, number, args);
}

/** Returns what becomes of a call on x86-64, given by number. */
function ask(filter: ProcessFilter, number: number, ...args: bigint[]) {
  return interpret(assembleFilter(filter, "x86_64"), AUDIT_ARCH.x86_64, number, args);
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

  Deno.test(`a call of another architecture ends the process, on ${architecture}`, () => {
    const own: Abi[] = [architecture, COMPAT_ARCHITECTURES[architecture]];
    for (const mode of ["allow", "deny"] as const) {
      const filter: NamedFilter = { mode, syscalls: ["read"], errno: "EPERM" };
      const program = assemble(filter, architecture);
      const withCompat = assembleFilter({
        ...resolveFilter(filter, architecture),
        compat: { mode, syscalls: [0], errno: EPERM },
      }, architecture);
      for (const abi of Object.keys(AUDIT_ARCH) as Abi[]) {
        const verdicts = [program, withCompat].map((it) =>
          interpret(it, AUDIT_ARCH[abi], 0).verdict
        );
        const killed = verdicts.map((verdict) => verdict === SECCOMP_RET_KILL_PROCESS);
        assertEquals(killed, [abi !== architecture, !own.includes(abi)], abi);
      }
    }
  });

  Deno.test(`32-bit calls have a list of their own, on ${architecture}`, () => {
    const filter: ProcessFilter = {
      mode: "allow",
      syscalls: [3],
      compat: { mode: "deny", syscalls: [3, 5], errno: EPERM },
    };
    const program = assembleFilter(filter, architecture);
    const abi = COMPAT_ARCHITECTURES[architecture];
    const verdicts = [3, 4, 5].map((number) => interpret(program, AUDIT_ARCH[abi], number).verdict);
    const refusal = SECCOMP_RET_ERRNO | EPERM;
    assertEquals(verdicts, [refusal, SECCOMP_RET_ALLOW, refusal]);
    const native = [3, 4].map((number) =>
      interpret(program, AUDIT_ARCH[architecture], number).verdict
    );
    assertEquals(native, [SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS]);
  });

  Deno.test(`a list for 32-bit calls makes no way longer, on ${architecture}`, () => {
    const filter: ProcessFilter = { mode: "allow", syscalls: [3, 5, 7, 9] };
    const alone = assembleFilter(filter, architecture);
    const both = assembleFilter({ ...filter, compat: filter }, architecture);
    for (let number = 0; number < 12; number++) {
      const steps = [alone, both].map((it) =>
        interpret(it, AUDIT_ARCH[architecture], number).steps
      );
      assertEquals(steps[1], steps[0]);
    }
  });
}

Deno.test("where unknown calls have an error, so have other architectures and x32", () => {
  const unknown = { known: [1, 2, 3], errno: ENOSYS };
  const filter: ProcessFilter = { mode: "allow", syscalls: [2], errno: EPERM, unknown };
  assertEquals([0, 1, 2, 3, 4, X32 + 2].map((number) => ask(filter, number).verdict), [
    SECCOMP_RET_ERRNO | ENOSYS,
    SECCOMP_RET_ERRNO | EPERM,
    SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO | EPERM,
    SECCOMP_RET_ERRNO | ENOSYS,
    SECCOMP_RET_ERRNO | ENOSYS,
  ]);
  const program = assembleFilter(filter, "x86_64");
  assertEquals(interpret(program, AUDIT_ARCH.arm, 2).verdict, SECCOMP_RET_ERRNO | ENOSYS);
});

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

const MASKED: NamedFilter = {
  mode: "allow",
  syscalls: ["read"],
  rules: {
    clone: { errno: "EPERM", test: { argument: 0, mask: 0xff00_0000, mode: "allow", values: [0] } },
    clone3: { errno: "ENOSYS" },
  },
};

for (const architecture of ARCHITECTURES) {
  Deno.test(`a rule judges the bits of its mask, on ${architecture}`, () => {
    const cases: [argument: bigint, verdict: number][] = [
      [0n, SECCOMP_RET_ALLOW],
      [0xff_ffffn, SECCOMP_RET_ALLOW],
      [0x100_0000n, SECCOMP_RET_ERRNO | EPERM],
      [0x8000_0000n, SECCOMP_RET_ERRNO | EPERM],
      // Bits that the kernel does not read decide nothing, either way.
      [ABOVE | 0x11n, SECCOMP_RET_ALLOW],
      [ABOVE | 0x8000_0011n, SECCOMP_RET_ERRNO | EPERM],
    ];
    for (const [argument, expected] of cases) {
      assertEquals(verdict(MASKED, architecture, "clone", argument), expected, `${argument}`);
    }
  });

  Deno.test(`a rule without a test refuses with its own error, on ${architecture}`, () => {
    assertEquals(verdict(MASKED, architecture, "clone3"), SECCOMP_RET_ERRNO | ENOSYS);
    assertEquals(verdict(MASKED, architecture, "write"), SECCOMP_RET_KILL_PROCESS);
    const filter: NamedFilter = { ...MASKED, errno: "ENOTTY" };
    assertEquals(verdict(filter, architecture, "clone3"), SECCOMP_RET_ERRNO | ENOSYS);
    assertEquals(verdict(filter, architecture, "write"), SECCOMP_RET_ERRNO | ENOTTY);
  });
}

Deno.test("a rule has values that work or that are refused, up to the last word", () => {
  const values = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];
  const probes = [...values, 1, 7, 9, 0x2_0001, 0x4_0000, 0x8000_0000, 0xffff_fffe];
  for (const mode of ["allow", "deny"] as const) {
    const test = { argument: 2, mode, values };
    const filter: SyscallFilter = {
      mode: "allow",
      syscalls: [],
      rules: new Map([[7, { errno: EPERM, test }]]),
    };
    for (const probe of probes) {
      const works = values.includes(probe) === (mode === "allow");
      const expected = works ? SECCOMP_RET_ALLOW : SECCOMP_RET_ERRNO | EPERM;
      for (const argument of [BigInt(probe), ABOVE | BigInt(probe)]) {
        assertEquals(ask(filter, 7, 1n, 1n, argument).verdict, expected, `${mode} ${argument}`);
      }
    }
  }
});

Deno.test("what is listed is judged by no rule", () => {
  const rules = new Map([[7, { errno: EPERM }]]);
  assertEquals(ask({ mode: "allow", syscalls: [7], rules }, 7).verdict, SECCOMP_RET_ALLOW);
  assertEquals(ask({ mode: "deny", syscalls: [7], rules }, 7).verdict, SECCOMP_RET_KILL_PROCESS);
  const denied = ask({ mode: "deny", syscalls: [], rules }, 7);
  assertEquals(denied.verdict, SECCOMP_RET_ERRNO | EPERM);
});

Deno.test("neighbours of a call with a rule keep their verdicts", () => {
  const test = { argument: 0, mode: "allow", values: [3] } as const;
  const rules = new Map([5, 6, 8].map((number) => [number, { errno: EPERM, test }]));
  const filter: SyscallFilter = { mode: "allow", syscalls: [4, 7], rules };
  const verdicts = (argument: bigint) =>
    [3, 4, 5, 6, 7, 8, 9].map((number) => ask(filter, number, argument).verdict);
  const [allow, kill] = [SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS];
  assertEquals(verdicts(3n), [kill, allow, allow, allow, allow, allow, kill]);
  const refuse = SECCOMP_RET_ERRNO | EPERM;
  assertEquals(verdicts(4n), [kill, allow, refuse, refuse, allow, refuse, kill]);
});

/** Lets two calls through, the second one as long as its first argument is 1. */
const PASS: Pass = {
  syscalls: [7],
  rules: new Map([[9, { errno: EPERM, test: { argument: 0, mode: "allow", values: [1] } }]]),
  words: [0x8000_0001_ffff_fffen, 0x0123_4567_89ab_cdefn],
};
const WORDS = PASS.words;

/**
 * Words that are nearly right: one bit of each half is another, or they are exchanged, or missing.
 */
const WRONG_WORDS: [bigint, bigint][] = [
  ...[0n, 31n, 32n, 63n].flatMap((bit): [bigint, bigint][] => [
    [WORDS[0] ^ 1n << bit, WORDS[1]],
    [WORDS[0], WORDS[1] ^ 1n << bit],
  ]),
  [WORDS[1], WORDS[0]],
  [WORDS[0], 0n],
  [0n, WORDS[1]],
  [0n, 0n],
];

Deno.test("a pass lets its calls through whatever the filter, and only with both words", () => {
  for (const mode of ["allow", "deny"] as const) {
    const syscalls = mode === "allow" ? [3] : [7, 8, 9];
    for (const errno of [undefined, ENOTTY]) {
      const filter: ProcessFilter = { mode, syscalls, pass: PASS, ...(errno ? { errno } : {}) };
      const refusal = errno ? SECCOMP_RET_ERRNO | errno : SECCOMP_RET_KILL_PROCESS;
      const by = (number: number, words: readonly bigint[], argument = 1n) =>
        ask(filter, number, argument, 2n, 3n, 4n, ...words).verdict;
      assertEquals([7, 8, 9].map((number) => by(number, WORDS)), [
        SECCOMP_RET_ALLOW,
        refusal,
        SECCOMP_RET_ALLOW,
      ]);
      assertEquals(by(9, WORDS, 2n), SECCOMP_RET_ERRNO | EPERM);
      for (const words of WRONG_WORDS) {
        for (const number of [7, 8, 9]) assertEquals(by(number, words), refusal, `${words}`);
      }
    }
  }
});

Deno.test("who has no pass is judged by the rule, if there is one", () => {
  const test = { argument: 0, mode: "deny", values: [1, 2] } as const;
  const filter: ProcessFilter = {
    mode: "allow",
    syscalls: [],
    rules: new Map([[7, { errno: ENOTTY, test }]]),
    pass: PASS,
  };
  const by = (argument: bigint, words: readonly bigint[]) =>
    ask(filter, 7, argument, 0n, 0n, 0n, ...words).verdict;
  assertEquals([1n, 2n, 3n].map((argument) => by(argument, [0n, 0n])), [
    SECCOMP_RET_ERRNO | ENOTTY,
    SECCOMP_RET_ERRNO | ENOTTY,
    SECCOMP_RET_ALLOW,
  ]);
  assertEquals(by(1n, WORDS), SECCOMP_RET_ALLOW);
});

Deno.test("neither the words nor the arguments of unrelated calls are looked at", () => {
  const filter: ProcessFilter = {
    mode: "allow",
    syscalls: [3, 7],
    rules: new Map([[8, { errno: EPERM }]]),
    pass: PASS,
  };
  const looks = (number: number) => ask(filter, number, 1n, 2n, 3n, 4n, ...WORDS).looked;
  // 7 works without a pass.
  assertEquals([0, 3, 7, 8, 9, 10].map(looks), [false, false, false, false, true, false]);
});

Deno.test("neither 32-bit nor x32 calls have a pass", () => {
  const errno = ENOTTY;
  const compat: SyscallFilter = { mode: "allow", syscalls: [], errno };
  const filter: ProcessFilter = { ...compat, compat, pass: PASS };
  const program = assembleFilter(filter, "x86_64");
  const args = [0n, 0n, 0n, 0n, ...WORDS];
  const calls = [[AUDIT_ARCH.i386, 7], [AUDIT_ARCH.x86_64, X32 + 7]] as const;
  for (const [architecture, number] of calls) {
    const { verdict } = interpret(program, architecture, number, args);
    assertEquals(verdict, SECCOMP_RET_ERRNO | ENOTTY);
  }
  assertEquals(interpret(program, AUDIT_ARCH.x86_64, 7, args).verdict, SECCOMP_RET_ALLOW);
});

Deno.test("a pass whose rule is too long for a jump is refused", () => {
  const values = Array.from({ length: 200 }, (_, i) => i * 2);
  const rules = new Map(
    [[7, { errno: EPERM, test: { argument: 0, mode: "allow", values } }]] as const,
  );
  const filter: ProcessFilter = {
    mode: "allow",
    syscalls: [],
    pass: { ...PASS, syscalls: [], rules },
  };
  assertThrows(() => assembleFilter(filter, "x86_64"), RangeError, "instructions");
});

/** The table the other way around. */
function namesByNumber(): Map<number, string> {
  return new Map([...syscallTable("x86_64")].map(([name, number]) => [number, name]));
}
