/**
 * The calls by which a process comes down to its app's system call filter, and the rule of when it
 * must not gain privileges.
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { makePass } from "../linux/launch_pass.ts";
import { resolveCompatFilter, resolveFilter } from "../linux/named_filter.ts";
import { recordFilter } from "../linux/seccomp.ts";
import { ARCHITECTURE, COMPAT_ARCHITECTURES } from "../linux/syscall_numbers.ts";
import type { PrivilegePlan } from "../plan/process/privileges.ts";

/**
 * Tells whether an app must not gain privileges by executing a program that has them.
 *
 * That is so when its manifest asks for it, and when a user other than root has a filter: the
 * kernel lets no other user filter the calls of a set-id program, whom a filter could make fail
 * half-way. rkt and systemd do the same.
 *
 * @param uid The user that the app runs as.
 */
export function needsNoNewPrivileges(
  plan: Pick<PrivilegePlan, "noNewPrivileges" | "seccomp">,
  uid: number,
): boolean {
  return plan.noNewPrivileges || (plan.seccomp !== undefined && uid !== 0);
}

/**
 * Records the filter, if the plan has one. All calls recorded afterwards carry its pass. The
 * filter's 32-bit part has none: they are calls of this machine's own architecture.
 */
export function recordSyscallFilter({ seccomp }: PrivilegePlan, script: CallScript): void {
  if (seccomp === undefined) return;
  const pass = makePass();
  const compat = resolveCompatFilter(seccomp, COMPAT_ARCHITECTURES[ARCHITECTURE]);
  recordFilter({ ...resolveFilter(seccomp, ARCHITECTURE), compat, pass }, script.call);
  script.passFilter(pass.words);
}
