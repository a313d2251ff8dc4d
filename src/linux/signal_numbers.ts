/**
 * The numbers of signals: signal(7).
 *
 * @module
 */

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGKILL = 9;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXFSZ = 25;
export const SIGWINCH = 28;
/** The first real-time signal that glibc leaves to programs; the two before are its own. */
export const SIGRTMIN = 34;
/** The highest number. */
export const SIGRTMAX = 64;
/** The kernel's set of signals, in bytes. */
export const SIGSET_SIZE = 8;

/**
 * Signals that a process gets for writes of its own: to those who do not read any more, and to
 * files that would grow beyond its limit.
 */
export const SIGNALS_OF_WRITES: readonly number[] = [SIGPIPE, SIGXFSZ];

/**
 * Every signal that can be caught, so all but SIGKILL and SIGSTOP. A fault of the process's own
 * ends it also where the signal of the fault is blocked, as does abort(3).
 */
export const CATCHABLE_SIGNALS: readonly number[] = Array.from(
  { length: SIGRTMAX },
  (_, i) => i + 1,
).filter((signal) => signal !== SIGKILL && signal !== SIGSTOP);
