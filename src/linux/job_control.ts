/**
 * Job control: a shell stops the programs that it has started, and lets them go on, by signals to
 * their process groups and by the terminal's foreground group. See "Job Control" in the glibc
 * manual, and tty_ioctl(4).
 *
 * @module
 */

import { groupOf, ownProcessGroup, signalSelf } from "./process.ts";
import { SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } from "./signal_numbers.ts";
import { type Signal, withUnblocked } from "./signals.ts";
import { foregroundGroup, setForegroundGroup } from "./terminal.ts";

/** The signals by which a terminal stops programs. */
export const STOP_SIGNALS: readonly number[] = [SIGTSTP, SIGTTIN, SIGTTOU];

/** Descriptors that may be the caller's terminal. */
const STANDARD_STREAMS = [0, 1, 2];

/** What a process that is stopped has to know when it goes on. */
export interface Pause {
  /** Whether the terminal that this process needs is another job's. */
  isInBackground(): boolean;
  /** Reads the signals that have come. */
  readSignals(): Signal[];
  /** Whether a signal is to be handled before there is a terminal. */
  isUrgent(signal: Signal): boolean;
}

/**
 * Stops this process as one of {@linkcode STOP_SIGNALS} does, so that the caller's shell sees it
 * stop, and returns when it goes on. While it is in the background without its terminal, it stops
 * again, as every program does that sets up a terminal. Where no shell could let it go on, the
 * kernel does not stop it: setpgid(2), on orphaned process groups.
 *
 * @returns The signals that have come meanwhile.
 * @throws {SyscallError} when the kernel refuses to stop this process, or to read signals.
 */
export function stopSelf(
  signal: number,
  { isInBackground, readSignals, isUrgent }: Pause,
): Signal[] {
  const came: Signal[] = [];
  for (let by = signal;; by = SIGTTOU) {
    stopOnce(by);
    const signals = readSignals();
    came.push(...signals);
    const hasGoneOn = signals.some(({ number }) => number === SIGCONT);
    if (!hasGoneOn || !isInBackground() || came.some(isUrgent)) return came;
  }
}

/**
 * Stops this process because its child has stopped, which is in the same session. When this process
 * goes on, the child gets the foreground that it has had.
 *
 * A stop that no terminal has caused is followed only in the foreground, where a shell waits:
 * others are for whoever sent the signal, and he will let the child alone go on.
 *
 * @param pid The child, which has not been waited for.
 * @param signal The signal that has stopped it. Of others than those that stop, nothing comes: they
 * stop a child that has this process trace it, and would end this one.
 * @throws {SyscallError} when a terminal refuses to tell its foreground.
 */
export function stopWith(pid: number, signal: number): void {
  if (signal !== SIGSTOP && !STOP_SIGNALS.includes(signal)) return;
  const [own, group] = [ownProcessGroup(), groupOf(pid)];
  const terminal = STANDARD_STREAMS.find((fd) => foregroundGroup(fd) !== undefined);
  const foreground = terminal === undefined ? undefined : foregroundGroup(terminal);
  if (signal === SIGSTOP && foreground !== own && foreground !== group) return;
  stopOnce(signal === SIGSTOP ? SIGTSTP : signal);
  if (terminal === undefined || foreground !== group || group === own) return;
  if (foregroundGroup(terminal) === own) setForegroundGroup(terminal, group);
}

function stopOnce(signal: number): void {
  withUnblocked(STOP_SIGNALS, () => signalSelf(signal));
}
