/**
 * The calls by which a process comes down to the privileges that its app has: its user, its
 * capabilities and its system call filter.
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { limitBoundingSet } from "../linux/capabilities.ts";
import { type Credentials, takeCredentials } from "../linux/credentials.ts";
import { makePass } from "../linux/launch_pass.ts";
import type { Call } from "../linux/libc.ts";
import { resolveFilter } from "../linux/named_filter.ts";
import { recordFilter, setNoNewPrivileges } from "../linux/seccomp.ts";
import { ARCHITECTURE } from "../linux/syscall_numbers.ts";
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
 * Records that a process takes on the credentials, and that its bounding set keeps only the plan's
 * capabilities. Its inheritable set has to be empty.
 *
 * Root's permitted set is left as it is: execve(2) makes it the bounding set, and until then a
 * root that may gain privileges needs `CAP_SYS_ADMIN` to put its filter in force.
 */
export function recordUser(plan: PrivilegePlan, credentials: Credentials, call: Call): void {
  if (plan.capabilities) limitBoundingSet(plan.capabilities.keep, call);
  takeCredentials(credentials, call);
  if (needsNoNewPrivileges(plan, credentials.uid)) setNoNewPrivileges(call);
}

/** Records the filter, if the plan has one. All calls recorded afterwards carry its pass. */
export function recordSyscallFilter({ seccomp }: PrivilegePlan, script: CallScript): void {
  if (seccomp === undefined) return;
  const pass = makePass();
  recordFilter({ ...resolveFilter(seccomp, ARCHITECTURE), pass }, script.call);
  script.passFilter(pass.words);
}
