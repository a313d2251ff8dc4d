/**
 * Tests of what becomes of a call that a filter refuses, and of 32-bit calls, whose numbers are
 * others.
 */

import { assertEquals } from "@std/assert";
import type { Flavor } from "../src/stage1/flavor.ts";
import {
  COMPAT_CALLS,
  imageWithProgram32,
  imageWithRefusedCalls,
  PROGRAM_32,
  REFUSED_CALLS,
} from "./compat_programs.ts";
import { assertCode } from "./expect.ts";
import { COMPILER, readAttempts } from "./filter_probe.ts";
import { scenario } from "./scenario.ts";

/** The value of an isolator, and which one it is. */
interface SeccompSet {
  mode: "retain" | "remove";
  set: string[];
  errno?: string;
}

function isolatorsOf(seccomp: SeccompSet | undefined) {
  if (seccomp === undefined) return {};
  const { mode, ...value } = seccomp;
  return { isolators: [{ name: `os/linux/seccomp-${mode}-set`, value }] };
}

/** Calls that the default filter refuses. */
const REFUSED = ["get_mempolicy", "io_uring_setup"];

/** The same 32-bit calls. */
const REFUSED_32 = ["get_mempolicy-32", "io_uring_setup-32"];

/** What a call becomes that the default filter refuses, and one that is newer than all others. */
const defaults: [what: string, flavor: Flavor | "either", SeccompSet | undefined, Ends][] = [
  ["no set is named", "isolated", undefined, { refused: "EPERM", newer: "ENOSYS" }],
  [
    "no call is to be removed",
    "either",
    { mode: "remove", set: ["@appc.io/empty"] },
    { refused: "EPERM", newer: "ENOSYS" },
  ],
  [
    "no call is to be removed, and an error is named",
    "either",
    { mode: "remove", set: ["@appc.io/empty"], errno: "EXDEV" },
    { refused: "EXDEV", newer: "EXDEV" },
  ],
  [
    "the default whitelist is named",
    "either",
    { mode: "retain", set: ["@rkt/default-whitelist"] },
    { refused: "SIGSYS", newer: "SIGSYS" },
  ],
  [
    "the default whitelist is named, and an error",
    "either",
    { mode: "retain", set: ["@rkt/default-whitelist"], errno: "EXDEV" },
    { refused: "EXDEV", newer: "EXDEV" },
  ],
];

/** The results of refused and of newer calls. */
interface Ends {
  refused: string;
  newer: string;
}

/** The attempts, where each of these calls has the same result. */
function all(names: string[], result: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, result]));
}

/** Declares a test of which results the calls have that `expected` names. */
function refusing(
  what: string,
  { flavor, compat }: { flavor: Flavor | "either"; compat: boolean },
  seccomp: SeccompSet | undefined,
  expected: Record<string, string>,
): void {
  const needs = compat ? [...COMPILER, ...COMPAT_CALLS] : COMPILER;
  scenario(what, { flavor, needs }, async (stage) => {
    const image = await imageWithRefusedCalls(stage);
    const exec = [REFUSED_CALLS, ...Object.keys(expected)];
    await using pod = await stage.pod({ image, app: { exec, ...isolatorsOf(seccomp) } });
    const result = await pod.run();
    assertCode(result, 0);
    assertEquals(readAttempts(result.stdout), expected);
  });
}

for (const [what, flavor, seccomp, { refused, newer }] of defaults) {
  refusing(`a refused call answers ${refused} where ${what}`, { flavor, compat: false }, seccomp, {
    ...all(REFUSED, refused),
    newer,
    statmount: "ENOSYS",
    mkdirat: "ok",
  });

  refusing(
    `a refused 32-bit call answers ${refused} where ${what}`,
    { flavor, compat: true },
    seccomp,
    {
      ...all(REFUSED_32, refused),
      "newer-32": newer,
      x32: newer,
      "statmount-32": "ENOSYS",
      "mkdir-32": "ok",
      "chown32-32": "ok",
      "shmget-32": "ENOENT",
    },
  );
}

/** Calls that a 32-bit program has under the same name, under another, and as an operation. */
const REMOVED = { mode: "remove", set: ["mkdir", "mkdirat", "chown", "shmget"] } as const;
const REMOVED_32 = ["mkdir-32", "chown32-32", "shmget-32"];

for (const errno of [undefined, "EXDEV"]) {
  const result = errno ?? "SIGSYS";
  const seccomp: SeccompSet = {
    mode: "remove",
    set: [...REMOVED.set],
    ...(errno ? { errno } : {}),
  };

  refusing(
    `a removed call answers ${result}, and others work`,
    { flavor: "either", compat: false },
    seccomp,
    { mkdirat: result, get_mempolicy: "ok", newer: "ENOSYS" },
  );

  refusing(
    `a removed call answers ${result} to 32-bit callers too, and others work`,
    { flavor: "either", compat: true },
    seccomp,
    { ...all(REMOVED_32, result), "get_mempolicy-32": "ok", "newer-32": "ENOSYS", x32: result },
  );
}

/** What the program of i386 prints where nothing but its way to hidden families is refused. */
const PROGRAM_32_DOES = [
  ...["brk", "mmap2", "uname", "ugetrlimit", "set_thread_area", "getuid32", "clock_gettime64"],
  ...["time", "open", "getdents64", "_llseek", "fstat64", "fcntl64", "stat64", "statx", "statfs64"],
  ...["chown32", "getcwd", "signal", "fork", "clone", "nice", "select", "ppoll_time64"],
  ...["futex_time64", "ipc", "ipc-remove", "socket-inet", "socketpair-unix", "socketcall-listen"],
  "socketcall-socket",
];
const ENOSYS = "038";

const programs: [what: string, flavor: Flavor, SeccompSet | undefined, socket: string][] = [
  ["by default", "isolated", undefined, ENOSYS],
  ["with a call removed", "host", { mode: "remove", set: ["mkdir"], errno: "EPERM" }, "ok"],
  [
    "with the default whitelist and one call more",
    "host",
    { mode: "retain", set: ["@rkt/default-whitelist", "socketcall"] },
    "ok",
  ],
];

for (const [what, flavor, seccomp, socket] of programs) {
  const needs = [...COMPILER, ...COMPAT_CALLS];
  scenario(`a 32-bit program runs ${what}`, { flavor, needs }, async (stage) => {
    const image = await imageWithProgram32(stage);
    const app = { exec: [PROGRAM_32], ...isolatorsOf(seccomp) };
    await using pod = await stage.pod({ image, app });
    const result = await pod.run();
    assertCode(result, 0);
    const expected = { ...all(PROGRAM_32_DOES, "ok"), "socketcall-socket": socket };
    assertEquals(readAttempts(result.stdout), expected);
  });
}
