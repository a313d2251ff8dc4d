/**
 * What signals do to a process: rt_sigaction(2), rt_sigprocmask(2).
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { type Call, syscall } from "./libc.ts";
import { SIGCHLD, SIGKILL, SIGRTMAX, SIGSET_SIZE, SIGSTOP } from "./signal_numbers.ts";

const SIG_SETMASK = 2;
/** The kernel's `struct sigaction` with `SIG_DFL`, no flags and an empty mask: all zeros. */
const DEFAULT_ACTION = new Uint8Array(32);
/** The kernel's `struct sigaction` with `SIG_IGN`, which is 1. */
const IGNORE_ACTION = asBytes(new BigUint64Array([1n, 0n, 0n, 0n]));

/**
 * Gives every signal its default action, and unblocks it. Handlers vanish at exec anyway, but
 * ignored signals would stay ignored: Deno ignores SIGPIPE, and the program that started rkt may
 * have ignored more.
 */
export function resetSignals(call: Call = syscall): void {
  setAllActions(DEFAULT_ACTION, [SIGKILL, SIGSTOP], call);
  call("rt_sigprocmask", SIG_SETMASK, new Uint8Array(SIGSET_SIZE), null, SIGSET_SIZE);
}

/**
 * Has the kernel forget each child that ends, also children that this process adopts: wait(2),
 * notes on `SIGCHLD`.
 */
export function ignoreChildren(call: Call): void {
  call("rt_sigaction", SIGCHLD, IGNORE_ACTION, null, SIGSET_SIZE);
}

function setAllActions(action: Bytes, except: readonly number[], call: Call = syscall): void {
  for (let signal = 1; signal <= SIGRTMAX; signal++) {
    if (!except.includes(signal)) call("rt_sigaction", signal, action, null, SIGSET_SIZE);
  }
}
