/**
 * Signals that wait in a descriptor until they are asked for: signalfd(2).
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
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
/** How many of them one read takes at the most. */
const SIGNALS_AT_ONCE = 16;

/** A signal that has come. */
export interface Signal {
  /** Which: signal(7). */
  number: number;
  /** Who sent it; 0 when it came from the kernel, or from outside the pid namespace. */
  pid: number;
  /** Whether the kernel sent it, as a terminal's to the whole process group: `SI_KERNEL`. */
  isKernels: boolean;
}

/**
 * Blocks signals in this thread, and opens the descriptor that they are read from. It is readable
 * when one has come, and closed by exec.
 *
 * Only a process without other threads gets them all: another one would take what it does not
 * block.
 *
 * @throws {SyscallError}
 */
export function openSignals(signals: readonly number[]): Fd {
  const set = signalSet(signals);
  syscall("rt_sigprocmask", SIG_BLOCK, set, null, SIGSET_SIZE);
  return new Fd(syscall("signalfd4", -1, set, SIGSET_SIZE, O_CLOEXEC | O_NONBLOCK));
}

/**
 * Lets signals do to this thread again what they do: those that have come meanwhile, at once.
 *
 * @throws {SyscallError}
 */
export function unblockSignals(signals: readonly number[]): void {
  syscall("rt_sigprocmask", SIG_UNBLOCK, signalSet(signals), null, SIGSET_SIZE);
}

/**
 * The signals that have come since. Of those of one number that came in between, the kernel keeps
 * one.
 *
 * @param fd What {@linkcode openSignals} opened.
 * @throws {SyscallError}
 */
export function readSignals(fd: Fd): Signal[] {
  const records = readAvailable(fd.number, SIGNALS_AT_ONCE * SIGINFO_SIZE);
  return records === undefined ? [] : decodeSignals(records);
}

/** The kernel's set: signal 1 is the lowest bit. */
export function signalSet(signals: readonly number[]): Bytes {
  const bits = signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n);
  return asBytes(new BigUint64Array([bits]));
}

/** `struct signalfd_siginfo`: the number is at 0, the code at 8, the sender at 12. */
function decodeSignals(records: Bytes): Signal[] {
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  const signals: Signal[] = [];
  for (let at = 0; at + SIGINFO_SIZE <= view.byteLength; at += SIGINFO_SIZE) {
    signals.push({
      number: view.getUint32(at, true),
      pid: view.getUint32(at + 12, true),
      isKernels: view.getInt32(at + 8, true) === SI_KERNEL,
    });
  }
  return signals;
}
