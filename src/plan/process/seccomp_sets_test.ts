import { assertEquals } from "@std/assert";
import { syscallNumber } from "../../linux/syscall_table.ts";
import { expandWildcard } from "./seccomp_sets.ts";

const SYSTEMD = [
  ...[
    "default",
    "default-whitelist",
    "aio",
    "basic-io",
    "chown",
    "clock",
    "cpu-emulation",
    "debug",
  ],
  ...["file-system", "io-event", "ipc", "keyring", "memlock", "module", "mount", "network-io"],
  ...["obsolete", "pkey", "privileged", "process", "raw-io", "reboot", "resources", "setuid"],
  ...["signal", "swap", "sync", "system-service", "timer"],
].map((name) => `@systemd/${name}`);

const ABIS = ["x86_64", "aarch64", "i386", "arm"] as const;

const LISTS = ["default-whitelist", "default-blacklist"]
  .flatMap((name) => [`@rkt/${name}`, `@docker/${name}`]);

for (const wildcard of [...SYSTEMD, ...LISTS]) {
  Deno.test(`${wildcard} stands for calls that an architecture of ours has`, () => {
    const names = expandWildcard(wildcard) ?? [];
    assertEquals(names.length > 0, true);
    const unknown = names.filter((name) =>
      ABIS.every((abi) => syscallNumber(name, abi) === undefined)
    );
    assertEquals(unknown, []);
    assertEquals(new Set(names).size, names.length);
  });
}

Deno.test("no call is both in the default whitelist and in the default blacklist", () => {
  const black = new Set(expandWildcard("@rkt/default-blacklist"));
  assertEquals(expandWildcard("@rkt/default-whitelist")!.filter((name) => black.has(name)), []);
});

Deno.test("a set may include others", () => {
  const privileged = expandWildcard("@systemd/privileged")!;
  assertEquals(privileged.includes("swapon"), true);
  assertEquals(privileged.includes("init_module"), true);
});

Deno.test("what is no wildcard stands for nothing", () => {
  for (const name of ["@systemd", "@systemd/", "@systemd/toString", "@rkt/all", "@", "read", ""]) {
    assertEquals(expandWildcard(name), undefined, name);
  }
});
