import { assertEquals } from "@std/assert";
import { multiplexersOf, nativeName } from "./compat_syscalls.ts";
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
  Deno.test(`every call does what a 64-bit call does, or is known not to, on ${abi}`, () => {
    const multiplexers = multiplexersOf(abi).map(({ name }) => name);
    const others = [...WITHOUT_COUNTERPART, ...multiplexers];
    const forgotten = [...syscallTable(abi).keys()]
      .filter((name) => !native.has(nativeName(name)) && !native.has(name))
      .filter((name) => !others.includes(name));
    assertEquals(forgotten, []);
  });

  Deno.test(`operations of multiplexers do what 64-bit calls do, on ${abi}`, () => {
    for (const { name, operations } of multiplexersOf(abi)) {
      assertEquals(syscallNumber(name, abi) !== undefined, true, name);
      const forgotten = Object.keys(operations).filter((it) => !native.has(nativeName(it)));
      assertEquals(forgotten, [], name);
    }
  });
}

Deno.test("no name of a 64-bit call is that of another one", () => {
  for (const name of native) {
    const other = nativeName(name);
    assertEquals(other === name || !native.has(other), true, name);
  }
});

const counterparts: [name: string, others: string[]][] = [
  ["mkdir", []],
  ["chown", ["chown32"]],
  ["futex", ["futex_time64"]],
  ["fadvise64", ["fadvise64_64"]],
  ["stat", ["oldstat", "stat64"]],
  ["clock_settime", ["clock_settime64"]],
  ["settimeofday", ["stime"]],
  ["umount2", ["umount"]],
  ["sendto", ["send"]],
  ["getdents", ["readdir"]],
];

for (const [name, others] of counterparts) {
  Deno.test(`on i386, ${others.join(" and ") || "nothing else"} does what ${name} does`, () => {
    const operations = multiplexersOf("i386").flatMap((it) => Object.keys(it.operations));
    const all = new Set([...syscallTable("i386").keys(), ...operations]);
    all.delete(name);
    assertEquals([...all].filter((it) => nativeName(it) === name), others);
  });
}
