/**
 * A shell's job that stops: this process, and programs in sessions of their own, where the shell's
 * signals do not reach them.
 *
 * @module
 */

import { stopSelf } from "../linux/job_control.ts";
import { SIGCONT, SIGSTOP } from "../linux/signal_numbers.ts";
import type { Signal } from "../linux/signals.ts";

/** What is stopped with this process, and how it goes on. */
export interface Job {
  /** Signals the programs, with their process groups. */
  signalPrograms(signal: number): void;
  /** The caller's terminal, as far as it is shown here. */
  streams: TerminalStreams;
  /** Reads the signals that have come. */
  readSignals(): Signal[];
  /** The signals that ask the programs to end, for which no terminal is waited for. */
  ending: readonly number[];
}

/** Streams that may hold the caller's terminal. */
interface TerminalStreams {
  readonly isInBackground: boolean;
  suspend(): void;
  resume(): void;
}

/**
 * Stops the job, and returns when it has gone on.
 *
 * @param signal The signal that stops this process.
 * @param stop Stops this process.
 * @returns The signals that have come meanwhile.
 * @throws {SyscallError} when the kernel refuses a signal.
 */
export function stopJob(signal: number, job: Job, stop = stopSelf): Signal[] {
  const { streams, ending } = job;
  job.signalPrograms(SIGSTOP);
  streams.suspend();
  const came = stop(signal, {
    isInBackground: () => streams.isInBackground,
    readSignals: () => job.readSignals(),
    isUrgent: ({ number }) => ending.includes(number),
  });
  if (!streams.isInBackground) streams.resume();
  job.signalPrograms(SIGCONT);
  return came;
}
