/**
 * Signals that wait in a descriptor until they are read: signalfd(2).
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import type { CallScript } from "./call_script.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_CLOEXEC, O_NONBLOCK } from "./open.ts";
import { SIGSET_SIZE } from "./signal_numbers.ts";
import { readAvailable } from "./stream.ts";

const SIG_BLOCK = 0;
const SIG_UNBLOCK = 1;
/** `struct signalfd_siginfo`. */
const SIGINFO_SIZE = 128;
/** `SI_KERNEL`, of `si_code`. */
const SI_KERNEL = 0x80;
/** How many records one read takes at most. */
const SIGNALS_AT_ONCE = 16;

/** A signal that has come. */
export interface Signal {
  /** Its number: signal(7). */
  number: number;
  /** The sender; 0 when the signal came from the kernel, or from outside the PID namespace. */
  pid: number;
  /** Whether the kernel sent it, as a terminal's signal to the whole process group: `SI_KERNEL`. */
  isKernels: boolean;
  /** What the sender passed with it: sigqueue(3). 0 where it passed nothing. */
  value: number;
}

/**
 * Blocks signals in this thread, and opens the descriptor that they are read from. It is readable
 * when a signal has come, and closed by exec.
 *
 * The process must have no other threads: a thread that does not block a signal would take it.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function openSignals(signals: readonly number[]): Fd {
  const set = signalSet(signals);
  syscall("rt_sigprocmask", SIG_BLOCK, set, null, SIGSET_SIZE);
  return new Fd(syscall("signalfd4", -1, set, SIGSET_SIZE, O_CLOEXEC | O_NONBLOCK));
}

/**
 * Opens such a descriptor for a child, which has blocked the signals: each process reads its own.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function openSignalsOfChild(signals: readonly number[]): Fd {
  return new Fd(
    syscall("signalfd4", -1, signalSet(signals), SIGSET_SIZE, O_CLOEXEC | O_NONBLOCK),
  );
}

/** Records that a process takes a signal of such a descriptor, if one has come. */
export function recordTakeSignal(number: number, script: CallScript): void {
  script.try("read", number, new Uint8Array(SIGINFO_SIZE), SIGINFO_SIZE);
}

/**
 * Gives signals their effect on this thread again. Those that came meanwhile have it at once.
 *
 * @throws {SyscallError} when the kernel refuses.
 */
export function unblockSignals(signals: readonly number[]): void {
  syscall("rt_sigprocmask", SIG_UNBLOCK, signalSet(signals), null, SIGSET_SIZE);
}

/**
 * Gives signals that this thread has blocked their effect on it while `act` runs.
 *
 * @throws {Error} what `act` throws.
 */
export function withUnblocked<T>(signals: readonly number[], act: () => T): T {
  unblockSignals(signals);
  try {
    return act();
  } finally {
    syscall("rt_sigprocmask", SIG_BLOCK, signalSet(signals), null, SIGSET_SIZE);
  }
}

/**
 * Reads the signals that have come since the last call. If several of one number came, the kernel
 * has kept one.
 *
 * @param fd What {@linkcode openSignals} opened.
 * @throws {SyscallError} when the descriptor cannot be read.
 */
export function readSignals(fd: Fd): Signal[] {
  const records = readAvailable(fd.number, SIGNALS_AT_ONCE * SIGINFO_SIZE);
  return records === undefined ? [] : decodeSignals(records);
}

/** Encodes the kernel's set of signals: signal 1 is the lowest bit. */
export function signalSet(signals: readonly number[]): Bytes {
  const bits = signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n);
  return asBytes(new BigUint64Array([bits]));
}

/** Reads `struct signalfd_siginfo`: number at 0, code at 8, sender at 12, value at 44. */
function decodeSignals(records: Bytes): Signal[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const signals: Signal[] = [];
  for (let at = 0; at + SIGINFO_SIZE <= view.byteLength; at += SIGINFO_SIZE) {
    signals.push({
      number: view.getUint32(at, true),
      pid: view.getUint32(at + 12, true),
      isKernels: view.getInt32(at + 8, true) === SI_KERNEL,
      value: view.getInt32(at + 44, true),
    });
  }
  return signals;
}
