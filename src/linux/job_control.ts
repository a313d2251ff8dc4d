/**
 * Job control: a shell stops the programs that it has started, and lets them go on, by signals to
 * their process groups and by the terminal's foreground group. See "Job Control" in the glibc
 * manual, and tty_ioctl(4).
 *
 * @module
 */

import { groupOf, ownProcessGroup, signalSelf } from "./process.ts";
import { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU } from "./signal_numbers.ts";
import { withUnblocked } from "./signals.ts";
import { foregroundGroup, setForegroundGroup } from "./terminal.ts";

/** The signals by which a terminal stops programs. */
export const STOP_SIGNALS: readonly number[] = [SIGTSTP, SIGTTIN, SIGTTOU];

/** Descriptors that may be the caller's terminal. */
const STANDARD_STREAMS = [0, 1, 2];

/**
 * Stops this process as one of {@linkcode STOP_SIGNALS} does, so that the caller's shell sees it
 * stop, and returns when it goes on. Where no shell could let it go on, the kernel does not stop
 * it: setpgid(2), on orphaned process groups.
 *
 * @param regain Takes back what the shell may have changed of the terminal. In the background, that
 * stops the process once more, until the shell has brought it to the foreground.
 * @throws {Error} what `regain` throws.
 */
export function stopSelf(signal: number, regain: () => void = () => {}): void {
  withUnblocked(STOP_SIGNALS, () => {
    signalSelf(signal);
    regain();
  });
}

/**
 * Stops this process because its child has stopped, which is in the same session. When this process
 * goes on, the child gets the foreground that it has had.
 *
 * A stop that no terminal has caused is followed only in the foreground, where a shell waits:
 * others are for whoever sent the signal, and he will let the child alone go on.
 *
 * @param pid The child, which has not been waited for.
 * @param signal The signal that has stopped it.
 * @throws {SyscallError} when a terminal refuses to tell its foreground.
 */
export function stopWith(pid: number, signal: number): void {
  const [own, group] = [ownProcessGroup(), groupOf(pid)];
  const terminal = STANDARD_STREAMS.find((fd) => foregroundGroup(fd) !== undefined);
  const foreground = terminal === undefined ? undefined : foregroundGroup(terminal);
  if (signal === SIGSTOP && foreground !== own && foreground !== group) return;
  stopSelf(signal === SIGSTOP ? SIGTSTP : signal, () => {
    if (terminal === undefined || foreground !== group || group === own) return;
    if (foregroundGroup(terminal) === own) setForegroundGroup(terminal, group);
  });
}
