/**
 * Who a process is: user, group and supplementary groups. See credentials(7).
 *
 * To the kernel these belong to a thread. It is the calling one, alone, that lives on in what execve(2)
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
  /** Every supplementary group; the primary one is repeated here, as login(1) has it. */
  groups: number[];
}

/**
 * Takes on the credentials, for good: real, effective and saved.
 *
 * Groups come first, then the group, then the user, since each step needs what the next gives up.
 *
 * @throws {SyscallError}
 */
export function takeCredentials({ uid, gid, groups }: Credentials, call: Call = syscall): void {
  call("setgroups", groups.length, asBytes(new Uint32Array(groups)));
  call("setresgid", gid, gid, gid);
  call("setresuid", uid, uid, uid);
}
