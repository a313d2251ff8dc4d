/** Tests of what becomes of a call that a filter refuses. */

import { assertEquals } from "@std/assert";
import type { Flavor } from "../src/stage1/flavor.ts";
import { imageWithRefusedCalls, REFUSED_CALLS } from "./refused_calls.ts";
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
  { flavor }: { flavor: Flavor | "either" },
  seccomp: SeccompSet | undefined,
  expected: Record<string, string>,
): void {
  scenario(what, { flavor, needs: COMPILER }, async (stage) => {
    const image = await imageWithRefusedCalls(stage);
    const exec = [REFUSED_CALLS, ...Object.keys(expected)];
    await using pod = await stage.pod({ image, app: { exec, ...isolatorsOf(seccomp) } });
    const result = await pod.run();
    assertCode(result, 0);
    assertEquals(readAttempts(result.stdout), expected);
  });
}

for (const [what, flavor, seccomp, { refused, newer }] of defaults) {
  refusing(`a refused call answers ${refused} where ${what}`, { flavor }, seccomp, {
    ...all(REFUSED, refused),
    newer,
    statmount: "ENOSYS",
    mkdirat: "ok",
  });
}

const REMOVED = { mode: "remove", set: ["mkdir", "mkdirat", "chown", "shmget"] } as const;

for (const errno of [undefined, "EXDEV"]) {
  const result = errno ?? "SIGSYS";
  const seccomp: SeccompSet = {
    mode: "remove",
    set: [...REMOVED.set],
    ...(errno ? { errno } : {}),
  };

  refusing(
    `a removed call answers ${result}, and others work`,
    { flavor: "either" },
    seccomp,
    { mkdirat: result, get_mempolicy: "ok", newer: "ENOSYS" },
  );
}
