/**
 * What signals do to a process: rt_sigaction(2), rt_sigprocmask(2).
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { type Call, syscall } from "./libc.ts";
import { SIGCHLD, SIGPIPE, SIGSET_SIZE } from "./signal_numbers.ts";

const SIG_SETMASK = 2;
/** The kernel's `struct sigaction`, which begins with the handler. */
const ACTION_SIZE = 32;
const HANDLER_SIZE = 8;
/** With `SIG_DFL`, no flags and an empty mask: all zeros. */
const DEFAULT_ACTION = new Uint8Array(ACTION_SIZE);
/** With `SIG_IGN`, which is 1. */
const IGNORE_ACTION = asBytes(new BigUint64Array([1n, 0n, 0n, 0n]));

/**
 * Signals that are ignored on the way to a program, whatever the caller does: SIGPIPE by Deno, and
 * by posix_spawn(3) the two that libc keeps for its threads.
 */
const IGNORED_HERE: readonly number[] = [SIGPIPE, 32, 33];

/**
 * Gives a process that executes a program the signals of this process's caller, and unblocks all.
 *
 * Handlers vanish at exec, and what the caller ignores stays ignored, as nohup(1) wants. Only what
 * {@linkcode IGNORED_HERE} lists is not the caller's, and gets its default action, also where the
 * caller ignored it: rkt itself never passes that on.
 *
 * @param heard Further signals that get their default action, whatever the caller does.
 */
export function restoreSignals(call: Call = syscall, heard: readonly number[] = []): void {
  for (const signal of [...IGNORED_HERE, ...heard]) setAction(signal, DEFAULT_ACTION, call);
  call("rt_sigprocmask", SIG_SETMASK, new Uint8Array(SIGSET_SIZE), null, SIGSET_SIZE);
}

/** Keeps every signal from a process, and from what it executes, but SIGKILL and SIGSTOP. */
export function blockEverySignal(call: Call): void {
  call("rt_sigprocmask", SIG_SETMASK, new Uint8Array(SIGSET_SIZE).fill(0xff), null, SIGSET_SIZE);
}

/** Gives a signal its default action. */
export function resetSignal(signal: number, call: Call = syscall): void {
  setAction(signal, DEFAULT_ACTION, call);
}

/**
 * Has the kernel forget each child that ends, also children that this process adopts: wait(2),
 * notes on `SIGCHLD`.
 */
export function ignoreChildren(call: Call): void {
  setAction(SIGCHLD, IGNORE_ACTION, call);
}

/**
 * Tells whether this process ignores a signal: as its caller did, but for {@linkcode IGNORED_HERE}.
 */
export function isIgnored(signal: number): boolean {
  const action = new Uint8Array(ACTION_SIZE);
  syscall("rt_sigaction", signal, null, action, SIGSET_SIZE);
  return action.every((byte, i) => i >= HANDLER_SIZE || byte === IGNORE_ACTION[i]);
}

function setAction(signal: number, action: Bytes, call: Call): void {
  call("rt_sigaction", signal, action, null, SIGSET_SIZE);
}
