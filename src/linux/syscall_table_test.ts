import { assertEquals } from "@std/assert";
import { ARCHITECTURE, SYSCALL_NUMBERS } from "./syscall_numbers.ts";
import { isSyscall, syscallNumber } from "./syscall_table.ts";

/** Some names of each range between two gaps. */
const known: [name: string, x86_64: number | undefined, aarch64: number | undefined][] = [
  ["read", 0, 63],
  ["open", 2, undefined],
  ["execve", 59, 221],
  ["mount", 165, 40],
  ["statx", 332, 291],
  ["rseq", 334, 293],
  ["pidfd_send_signal", 424, 424],
  ["memfd_secret", 447, 447],
  ["mseal", 462, 462],
  ["socketcall", undefined, undefined],
];

for (const [name, x86_64, aarch64] of known) {
  Deno.test(`the table has the numbers of ${name}`, () => {
    assertEquals(syscallNumber(name, "x86_64"), x86_64);
    assertEquals(syscallNumber(name, "aarch64"), aarch64);
    assertEquals(isSyscall(name), true);
  });
}

Deno.test("the table agrees with the numbers of the calls that this project makes", () => {
  for (const [name, number] of Object.entries(SYSCALL_NUMBERS)) {
    assertEquals(syscallNumber(name, ARCHITECTURE), number, name);
  }
});

Deno.test("what is no system call anywhere is not known", () => {
  for (const name of ["mkdirr", "", "0", "READ", "constructor"]) {
    assertEquals(isSyscall(name), false, name);
  }
});
