/**
 * User, group and supplementary groups of a process: credentials(7).
 *
 * To the kernel these belong to a thread. Only the calling thread lives on in what execve(2)
 * starts, so the others are left as they are.
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { type Call, syscall } from "./libc.ts";

/** The identity that a program runs under, in the host's numbers. */
export interface Credentials {
  uid: number;
  gid: number;
  /** Every supplementary group. The primary group is repeated here, as login(1) does it. */
  groups: number[];
}

/**
 * Takes on the credentials for good: real, effective and saved.
 *
 * The groups are set first, then the group, then the user: each step gives up what the step before
 * needed.
 *
 * @throws {SyscallError} `EPERM` without CAP_SETUID and CAP_SETGID.
 */
export function takeCredentials({ uid, gid, groups }: Credentials, call: Call = syscall): void {
  call("setgroups", groups.length, asBytes(new Uint32Array(groups)));
  call("setresgid", gid, gid, gid);
  call("setresuid", uid, uid, uid);
}
