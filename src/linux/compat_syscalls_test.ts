import { assertEquals } from "@std/assert";
import { compatNames, multiplexersOf } from "./compat_syscalls.ts";
import { syscallNumber, syscallTable } from "./syscall_table.ts";

const NATIVE = ["x86_64", "aarch64"] as const;
const COMPAT = ["i386", "arm"] as const;

/** Calls that do what no 64-bit call does. Most of them do nothing at all. */
const WITHOUT_COUNTERPART = [
  ...["bdflush", "break", "breakpoint", "cacheflush", "ftime", "gtty", "idle", "lock", "mpx"],
  ...["pciconfig_iobase", "pciconfig_read", "pciconfig_write", "prof", "profil", "stty", "ulimit"],
  ...["usr26", "usr32", "vm86", "vm86old"],
];

const native = new Set(NATIVE.flatMap((architecture) => [...syscallTable(architecture).keys()]));

for (const abi of COMPAT) {
  Deno.test(`a 64-bit name stands for every call that does the same, on ${abi}`, () => {
    const meant = new Set([...native].flatMap(compatNames));
    const multiplexers = multiplexersOf(abi).map(({ name }) => name);
    const others = [...WITHOUT_COUNTERPART, ...multiplexers];
    const forgotten = [...syscallTable(abi).keys()]
      .filter((name) => !meant.has(name) && !others.includes(name));
    assertEquals(forgotten, []);
  });

  Deno.test(`operations of multiplexers are meant by 64-bit names, on ${abi}`, () => {
    const meant = new Set([...native].flatMap(compatNames));
    for (const { name, operations } of multiplexersOf(abi)) {
      assertEquals(syscallNumber(name, abi) !== undefined, true, name);
      assertEquals(Object.keys(operations).filter((operation) => !meant.has(operation)), [], name);
    }
  });
}

Deno.test("no name stands for another 64-bit call", () => {
  for (const name of native) {
    assertEquals(compatNames(name).filter((other) => native.has(other)), [name]);
  }
});

const counterparts: [name: string, others: string[]][] = [
  ["mkdir", []],
  ["chown", ["chown32"]],
  ["futex", ["futex_time64"]],
  ["fadvise64", ["fadvise64_64"]],
  ["stat", ["stat64", "oldstat"]],
  ["clock_settime", ["clock_settime64"]],
  ["settimeofday", ["stime"]],
  ["umount2", ["umount"]],
  ["sendto", ["send"]],
  ["getdents", ["readdir"]],
];

for (const [name, others] of counterparts) {
  Deno.test(`on i386, ${name} stands for ${others.join(" and ") || "nothing else"}`, () => {
    const multiplexed = multiplexersOf("i386").flatMap((it) => Object.keys(it.operations));
    const known = (other: string) =>
      syscallNumber(other, "i386") !== undefined || multiplexed.includes(other);
    assertEquals(compatNames(name).filter(known), [name, ...others]);
  });
}
