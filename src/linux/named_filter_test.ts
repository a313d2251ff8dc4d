import { assertEquals } from "@std/assert";
import { type NamedFilter, resolveCompatFilter, resolveFilter } from "./named_filter.ts";
import {
  assembleFilter,
  AUDIT_ARCH,
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
} from "./seccomp_program.ts";
import { compatVerdictOf, interpret } from "./seccomp_testing.ts";
import { syscallNumber, syscallTable } from "./syscall_table.ts";

const EPERM = SECCOMP_RET_ERRNO | 1;
const ENOSYS = SECCOMP_RET_ERRNO | 38;
const ALLOWED = SECCOMP_RET_ALLOW;
const KILLED = SECCOMP_RET_KILL_PROCESS;

const SHMGET = 23n;
const SHMAT = 21n;
const SEMGET = 2n;
const SYS_SOCKET = 1n;
const SYS_CONNECT = 3n;
const SYS_SEND = 9n;
const SYS_SENDTO = 11n;

/** Returns what becomes of a 32-bit call, given by name. */
function verdict(filter: NamedFilter, name: string, ...args: bigint[]): number {
  return compatVerdictOf(filter, "x86_64", name, args);
}

Deno.test("a removed call is refused under all its 32-bit names, and nothing else is", () => {
  const filter: NamedFilter = { mode: "deny", syscalls: ["mkdir", "chown", "umount2", "stat"] };
  for (const name of ["mkdir", "chown", "chown32", "umount", "umount2", "stat64", "oldstat"]) {
    assertEquals(verdict(filter, name), KILLED, name);
    assertEquals(verdict({ ...filter, errno: "EPERM" }, name), EPERM, name);
  }
  for (const name of ["mkdirat", "lchown32", "fstat64", "socketcall", "ipc", "vm86"]) {
    assertEquals(verdict(filter, name), ALLOWED, name);
  }
});

Deno.test("an allowed call is allowed under all its 32-bit names", () => {
  const filter: NamedFilter = { mode: "allow", syscalls: ["mmap", "futex", "rt_sigreturn"] };
  for (const name of ["mmap", "mmap2", "futex", "futex_time64", "rt_sigreturn", "sigreturn"]) {
    assertEquals(verdict(filter, name), ALLOWED, name);
  }
  for (const name of ["munmap", "signal", "socketcall", "ipc"]) {
    assertEquals(verdict(filter, name), KILLED, name);
  }
});

Deno.test("a removed call is refused as an operation of a multiplexer", () => {
  const syscalls = ["shmget", "sendto", "socket"];
  const filter: NamedFilter = { mode: "deny", syscalls, errno: "EPERM" };
  assertEquals(verdict(filter, "ipc", SHMGET), EPERM);
  // The upper half is the version, which the kernel strips off.
  assertEquals(verdict(filter, "ipc", 1n << 16n | SHMGET), EPERM);
  assertEquals(verdict(filter, "ipc", SHMAT), ALLOWED);
  assertEquals([SYS_SOCKET, SYS_SEND, SYS_SENDTO].map((it) => verdict(filter, "socketcall", it)), [
    EPERM,
    EPERM,
    EPERM,
  ]);
  assertEquals(verdict(filter, "socketcall", SYS_CONNECT), ALLOWED);
});

Deno.test("an allowed call is allowed as an operation, and others are refused", () => {
  const filter: NamedFilter = { mode: "allow", syscalls: ["shmget", "connect"] };
  assertEquals(verdict(filter, "ipc", 1n << 16n | SHMGET), ALLOWED);
  assertEquals(verdict(filter, "ipc", SEMGET), KILLED);
  assertEquals(verdict(filter, "socketcall", SYS_CONNECT), ALLOWED);
  assertEquals(verdict(filter, "socketcall", SYS_SOCKET), KILLED);
});

Deno.test("who names a multiplexer means all of it", () => {
  const allowed: NamedFilter = { mode: "allow", syscalls: ["socketcall"] };
  assertEquals(verdict(allowed, "socketcall", SYS_SOCKET), ALLOWED);
  const rules = { socket: { errno: "EPERM", test: FIRST_IS_ONE } };
  assertEquals(verdict({ ...allowed, rules }, "socketcall", SYS_SOCKET), ALLOWED);
  const removed: NamedFilter = { mode: "deny", syscalls: ["ipc"] };
  assertEquals(verdict(removed, "ipc", SEMGET), KILLED);
  assertEquals(verdict(removed, "semget"), ALLOWED);
});

const FIRST_IS_ONE = { argument: 0, mode: "allow", values: [1] } as const;

Deno.test("what an argument decides about is no operation, and its own call still is", () => {
  const filter: NamedFilter = {
    mode: "allow",
    syscalls: ["connect"],
    rules: {
      socket: { errno: "EPERM", test: FIRST_IS_ONE },
      shmget: { errno: "EPERM" },
    },
  };
  assertEquals(verdict(filter, "socket", 1n), ALLOWED);
  assertEquals(verdict(filter, "socket", 2n), EPERM);
  assertEquals(verdict(filter, "socketcall", SYS_SOCKET), ENOSYS);
  assertEquals(verdict(filter, "socketcall", SYS_CONNECT), ALLOWED);
  assertEquals(verdict(filter, "ipc", SHMGET), EPERM);
  assertEquals(verdict(filter, "ipc", SEMGET), KILLED);
});

for (const architecture of ["x86_64", "aarch64"] as const) {
  Deno.test(`a call that nobody knows has an error of its own, on ${architecture}`, () => {
    const compat = architecture === "x86_64" ? "i386" : "arm";
    const filter: NamedFilter = {
      mode: "allow",
      syscalls: ["read", "write"],
      errno: "EPERM",
      errnoOfUnknown: "ENOSYS",
    };
    const program = assembleFilter({
      ...resolveFilter(filter, architecture),
      compat: resolveCompatFilter(filter, compat),
    }, architecture);
    for (const abi of [architecture, compat] as const) {
      const known = new Map([...syscallTable(abi)].map(([name, number]) => [number, name]));
      const ofRead = syscallNumber("read", abi);
      const ofWrite = syscallNumber("write", abi);
      for (const number of [...Array(600).keys(), 0xf0005, 0x4000_0000, 0xffff_ffff]) {
        const { verdict } = interpret(program, AUDIT_ARCH[abi], number);
        const allowed = number === ofRead || number === ofWrite;
        const expected = allowed ? ALLOWED : known.has(number) ? EPERM : ENOSYS;
        assertEquals(verdict, expected, `number ${number} on ${abi}`);
      }
    }
  });
}
