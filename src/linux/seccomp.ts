/**
 * Making system calls impossible: seccomp(2).
 *
 * A filter belongs to a thread, and to all that it executes and forks.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { type Call, keepInMemory, syscall } from "./libc.ts";
import {
  assembleFilter,
  encodeProgram,
  programLength,
  type SyscallFilter,
} from "./seccomp_program.ts";
import { ARCHITECTURE } from "./syscall_numbers.ts";

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;

/**
 * Gives up, for good, that a program can give its own privileges to who executes it: set-id bits and file
 * capabilities have no effect. prctl(2), `PR_SET_NO_NEW_PRIVS`.
 *
 * @throws {SyscallError}
 */
export function setNoNewPrivileges(call: Call = syscall): void {
  call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/**
 * Makes a filter ready.
 *
 * All memory is taken now: once a filter is in force, taking some may be a call that it refuses.
 *
 * @returns What puts the filter in force. It throws a {@linkcode SyscallError}, with EACCES for a thread
 * that has neither `CAP_SYS_ADMIN` nor given up new privileges.
 */
export function prepareFilter(filter: SyscallFilter): () => void {
  const program = assemble(filter);
  const words = [programLength(program), keepInMemory(program)].map(BigInt);
  const description = keepInMemory(asBytes(new BigUint64Array(words)));
  return () => void syscall("seccomp", SECCOMP_SET_MODE_FILTER, 0, description);
}

/**
 * Puts a filter in force for the process that a script is for. Nothing that the filter refuses can
 * follow, but with its pass, if it has one.
 */
export function recordFilter(filter: SyscallFilter, call: Call): void {
  const program = assemble(filter);
  // struct sock_fprog: a length of 16 bits, and a pointer at the next multiple of its size.
  call("seccomp", SECCOMP_SET_MODE_FILTER, 0, [programLength(program), program]);
}

function assemble(filter: SyscallFilter): Bytes {
  return encodeProgram(assembleFilter(filter, ARCHITECTURE));
}
