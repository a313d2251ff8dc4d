/**
 * A pass for the last calls of a process that becomes an app, through the app's own filter.
 *
 * A filter is put in force while the process still has `CAP_SYS_ADMIN`. After that, the process
 * gives the capability up and becomes a process of the pod, by calls that the filter may refuse to
 * the app. Two random words, given as arguments that these calls ignore, let them through. At
 * execve(2) the words vanish with the memory of the process: the app does not know them.
 *
 * @module
 */

import { resolveRules } from "./named_filter.ts";
import { WITHOUT_NEW_NAMESPACES } from "./safe_arguments.ts";
import type { Pass } from "./syscall_filter.ts";
import { ARCHITECTURE, type Architecture } from "./syscall_numbers.ts";
import { syscallNumber } from "./syscall_table.ts";

/**
 * The calls that a pass lets through. None of them reads its last two arguments: most have four or
 * fewer, and prctl(2), which has five, reads two for `PR_SET_PDEATHSIG`.
 */
export const PASSED_SYSCALLS = [
  "capset",
  "execve",
  "exit_group",
  "getppid",
  "ioctl",
  "prctl",
  "readlinkat",
  "setsid",
  "writev",
] as const;

/**
 * Calls that a pass lets through as far as a rule allows.
 *
 * The fifth argument of clone(2) is for `CLONE_SETTLS` on x86-64, and for `CLONE_CHILD_SETTID` and
 * `CLONE_CHILD_CLEARTID` on arm64; clone(2) has no sixth. The rule refuses new namespaces: if the
 * words leaked, an app could otherwise make a user namespace, in which it has every capability.
 */
const PASSED_RULES = { clone: { errno: "EPERM", test: WITHOUT_NEW_NAMESPACES } } as const;

/** Makes a pass with random words. Each process that is started needs one of its own. */
export function makePass(architecture: Architecture = ARCHITECTURE): Pass {
  const [first, second] = crypto.getRandomValues(new BigUint64Array(2));
  return {
    syscalls: PASSED_SYSCALLS.map((name) => syscallNumber(name, architecture))
      .filter((number) => number !== undefined),
    rules: resolveRules(PASSED_RULES, architecture),
    words: [first!, second!],
  };
}
