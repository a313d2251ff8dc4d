/**
 * The last calls of who becomes an app, through the app's own filter.
 *
 * A filter is put in force while `CAP_SYS_ADMIN` is still there: who then gives that up and becomes
 * a process of the pod makes some calls that the filter may refuse to the app. These are let
 * through by two random words, in arguments that they ignore. The words go with the memory of the
 * process at execve(2): the app does not know them.
 *
 * @module
 */

import { resolveRules } from "./named_filter.ts";
import { WITHOUT_NEW_NAMESPACES } from "./safe_arguments.ts";
import type { Pass } from "./seccomp_program.ts";
import { ARCHITECTURE, type Architecture } from "./syscall_numbers.ts";
import { syscallNumber } from "./syscall_table.ts";

/**
 * What a pass lets through. None of these reads its last two arguments: most have three or fewer;
 * prctl(2) has five, and reads two of `PR_SET_PDEATHSIG`.
 */
export const PASSED_SYSCALLS = [
  "capset",
  "execve",
  "exit_group",
  "getppid",
  "ioctl",
  "prctl",
  "setsid",
  "writev",
] as const;

/**
 * Also let through, as far as the rules go.
 *
 * The fifth argument of clone(2) is for `CLONE_SETTLS` on x86-64 and for `CLONE_CHILD_SETTID` and
 * `CLONE_CHILD_CLEARTID` on arm64; it has no sixth. No namespace is made, so that words which came
 * to light would not be worth a user namespace, in which an app has every capability.
 */
const PASSED_RULES = { clone: { errno: "EPERM", test: WITHOUT_NEW_NAMESPACES } } as const;

/** Makes a pass with words of its own. Each process that is begun needs another one. */
export function makePass(architecture: Architecture = ARCHITECTURE): Pass {
  const [first, second] = crypto.getRandomValues(new BigUint64Array(2));
  return {
    syscalls: PASSED_SYSCALLS.map((name) => syscallNumber(name, architecture))
      .filter((number) => number !== undefined),
    rules: resolveRules(PASSED_RULES, architecture),
    words: [first!, second!],
  };
}
