import { assertEquals } from "@std/assert";
import { type Abi, ARCHITECTURE, SYSCALL_NUMBERS } from "./syscall_numbers.ts";
import { isSyscall, syscallNumber, syscallTable } from "./syscall_table.ts";

const ABIS: Abi[] = ["x86_64", "aarch64", "i386", "arm"];

type Number = number | undefined;
/** Some names of each range between two gaps. */
const known: [name: string, x86_64: Number, aarch64: Number, i386: Number, arm: Number][] = [
  ["read", 0, 63, 3, 3],
  ["open", 2, undefined, 5, 5],
  ["execve", 59, 221, 11, 11],
  ["mount", 165, 40, 21, 21],
  ["statx", 332, 291, 383, 397],
  ["rseq", 334, 293, 386, 398],
  ["uprobe", 336, undefined, undefined, undefined],
  ["pidfd_send_signal", 424, 424, 424, 424],
  ["memfd_secret", 447, 447, 447, 447],
  ["mseal", 462, 462, 462, 462],
  ["rseq_slice_yield", 471, 471, 471, 471],
  ["socketcall", undefined, undefined, 102, undefined],
  ["gettid", 186, 178, 224, 224],
  ["exit_group", 231, 94, 252, 248],
  ["waitid", 247, 95, 284, 280],
  ["add_key", 248, 217, 286, 309],
  ["semget", 64, 190, 393, 299],
  ["clock_gettime64", undefined, undefined, 403, 403],
  ["ppoll_time64", undefined, undefined, 414, 414],
  ["io_pgetevents_time64", undefined, undefined, 416, 416],
  ["sched_rr_get_interval_time64", undefined, undefined, 423, 423],
  ["set_tls", undefined, undefined, undefined, 0xf0005],
  ["spu_run", undefined, undefined, undefined, undefined],
];

for (const [name, ...numbers] of known) {
  Deno.test(`the table has the numbers of ${name}`, () => {
    assertEquals(ABIS.map((abi) => syscallNumber(name, abi)), numbers);
    assertEquals(isSyscall(name), true);
  });
}

for (const abi of ABIS) {
  Deno.test(`no two calls have the same number, on ${abi}`, () => {
    const numbers = [...syscallTable(abi).values()];
    assertEquals(new Set(numbers).size, numbers.length);
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
