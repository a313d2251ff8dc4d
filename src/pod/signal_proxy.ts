/**
 * The signal proxy: this process stands in for a program in another PID namespace and session. The
 * program gets the signals that this process is sent, and this process ends as the program ends.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { STOP_SIGNALS } from "../linux/job_control.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { type PollEvents, POLLIN, waitForEvents } from "../linux/poll.ts";
import { endAs, signalGroupOf } from "../linux/process.ts";
import { reapEnded } from "../linux/reap.ts";
import {
  CATCHABLE_SIGNALS,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGINT,
  SIGKILL,
  SIGNALS_OF_WRITES,
  SIGQUIT,
  SIGTERM,
  SIGWINCH,
} from "../linux/signal_numbers.ts";
import { openSignals, readSignals, type Signal } from "../linux/signals.ts";
import type { End } from "../linux/wait.ts";
import type { CallerStreams } from "../stream/caller_streams.ts";
import { stopJob } from "./stop_job.ts";

/** Signals that ask the program to end. */
const ENDING: readonly number[] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

/** What this process has itself while the program runs. */
interface Io {
  /** The descriptor that its signals are read from. */
  signals: Fd;
  streams: CallerStreams;
}

/** The program that runs. */
interface Command {
  pid: number;
  /** Holds it. */
  process: Fd;
}

/**
 * Starts a program, and ends as the program ends. While it runs, it gets the signals that this
 * process is sent.
 *
 * @param streams The program's streams, which are passed on.
 * @param start Starts the program, and returns its process id.
 * @param started Is called when the program runs: nothing is left but to pass on and to wait.
 * @throws {Error} when `start` or `started` throws.
 */
export function forwardSignals(
  streams: CallerStreams,
  start: () => number,
  started: () => void,
): never {
  // Before the start, so that none is missed.
  using signals = openSignals(CATCHABLE_SIGNALS);
  endAs(runToItsEnd(signals, streams, start, started));
}

function runToItsEnd(
  signals: Fd,
  streams: CallerStreams,
  start: () => number,
  started: () => void,
): End {
  // When the start fails, the caller's terminal is given back as well.
  using passed = streams;
  const pid = start();
  passed.commandStarted();
  started();
  return waitWithSignals(pid, signals, passed);
}

function waitWithSignals(pid: number, signals: Fd, streams: CallerStreams): End {
  // A child cannot come to be another process before it has been waited for.
  using child = openProcess(pid)!;
  const command = { pid, process: child };
  const own: PollEvents[] = [signals, child].map(({ number }) => ({ fd: number, events: POLLIN }));
  for (;;) {
    const ready = waitForEvents([...own, ...streams.interests()]);
    streams.onReady(ready);
    if (streams.hasEscaped) signalProcess(child, SIGKILL);
    const fds = new Set(ready.map(({ fd }) => fd));
    if (fds.has(signals.number)) forwardAll(readSignals(signals), command, { signals, streams });
    if (fds.has(child.number)) {
      const isEnding = () => readSignals(signals).some(({ number }) => ENDING.includes(number));
      streams.commandEnded(signals, isEnding);
      return reapEnded(pid);
    }
  }
}

function forwardAll(signals: readonly Signal[], { pid, process }: Command, io: Io): void {
  for (const signal of signals) {
    const { number } = signal;
    if (STOP_SIGNALS.includes(number)) stopBoth(number, { pid, process }, io);
    else if (number === SIGWINCH) io.streams.resize();
    else if (number === SIGCONT && !io.streams.isInBackground) io.streams.resume();
    if (isForCommand(signal)) forward(number, process);
  }
}

/**
 * Tells whether a signal is passed on. A terminal's new size the command gets with its own
 * terminal, and some come to this process for its own writes as well.
 */
function isForCommand({ number, pid, isKernels }: Signal): boolean {
  if (number === SIGCHLD || STOP_SIGNALS.includes(number)) return false;
  if (SIGNALS_OF_WRITES.includes(number)) return pid !== Deno.pid;
  return number !== SIGWINCH || !isKernels;
}

/** A program that somebody has stopped has to go on, to be able to end. */
function forward(signal: number, process: Fd): void {
  signalProcess(process, signal);
  if (ENDING.includes(signal)) signalProcess(process, SIGCONT);
}

/**
 * Stops this process with the command, which the caller's shell cannot stop: it leads a session of
 * its own, and so a process group.
 */
function stopBoth(signal: number, command: Command, io: Io): void {
  const came = stopJob(signal, {
    signalPrograms: (number) => signalGroupOf(command.pid, number),
    streams: io.streams,
    readSignals: () => readSignals(io.signals),
    ending: ENDING,
  });
  forwardAll(came.filter(({ number }) => number !== SIGCONT), command, io);
}
