/**
 * Putting system call filters in force: seccomp(2).
 *
 * A filter belongs to a thread, and to all that the thread executes and forks.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { type Call, keepInMemory, syscall } from "./libc.ts";
import { assembleFilter, encodeProgram, programLength } from "./seccomp_program.ts";
import type { ProcessFilter } from "./syscall_filter.ts";
import { ARCHITECTURE } from "./syscall_numbers.ts";

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;

/**
 * Turns off, for good, set-id bits and file capabilities: executing a program can give no new
 * privileges. `PR_SET_NO_NEW_PRIVS` of prctl(2).
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function setNoNewPrivileges(call: Call = syscall): void {
  call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/**
 * Prepares a filter.
 *
 * All memory is allocated now: once a filter is in force, it may refuse the call that allocates
 * memory.
 *
 * @returns A function that puts the filter in force. It throws a {@linkcode SyscallError},
 * `EACCES`, for a thread without `CAP_SYS_ADMIN` that has not called {@linkcode
 * setNoNewPrivileges}.
 */
export function prepareFilter(filter: ProcessFilter): () => void {
  const program = assemble(filter);
  const words = [programLength(program), keepInMemory(program)].map(BigInt);
  const description = keepInMemory(asBytes(new BigUint64Array(words)));
  return () => void syscall("seccomp", SECCOMP_SET_MODE_FILTER, 0, description);
}

/**
 * Records that a process puts a filter in force. No call that the filter refuses can follow, except
 * with the filter's pass, if it has one.
 */
export function recordFilter(filter: ProcessFilter, call: Call): void {
  const program = assemble(filter);
  // struct sock_fprog: a length of 16 bits, and a pointer at the next multiple of its size.
  call("seccomp", SECCOMP_SET_MODE_FILTER, 0, [programLength(program), program]);
}

function assemble(filter: ProcessFilter): Bytes {
  return encodeProgram(assembleFilter(filter, ARCHITECTURE));
}
