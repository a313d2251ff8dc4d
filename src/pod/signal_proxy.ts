/**
 * The signal proxy: this process stands in for a program in another PID namespace and session. The
 * program gets the signals that this process is sent, and this process ends as the program ends.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { openProcess, signalProcess } from "../linux/pidfd.ts";
import { type PollEvents, POLLIN, waitForEvents } from "../linux/poll.ts";
import { endAs, stopSelf } from "../linux/process.ts";
import {
  CATCHABLE_SIGNALS,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGINT,
  SIGKILL,
  SIGQUIT,
  SIGSTOP,
  SIGTERM,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  SIGWINCH,
} from "../linux/signal_numbers.ts";
import { openSignals, readSignals } from "../linux/signals.ts";
import { type End, endOf } from "../linux/wait.ts";
import type { CallerStreams } from "../stream/caller_streams.ts";

/** Signals that concern this process alone, and are not forwarded. */
const OWN: readonly number[] = [SIGCHLD, SIGCONT, SIGTTIN, SIGTTOU];

/** Signals that ask the program to end. */
const ENDING: readonly number[] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];

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
  const own: PollEvents[] = [signals, child].map(({ number }) => ({ fd: number, events: POLLIN }));
  for (;;) {
    const ready = waitForEvents([...own, ...streams.interests()]);
    streams.onReady(ready);
    if (streams.hasEscaped) signalProcess(child, SIGKILL);
    const fds = new Set(ready.map(({ fd }) => fd));
    if (fds.has(signals.number)) forwardAll(signals, child, streams);
    if (fds.has(child.number)) {
      const isEnding = () => readSignals(signals).some(({ number }) => ENDING.includes(number));
      streams.commandEnded(signals, isEnding);
      return endOf(pid);
    }
  }
}

function forwardAll(signals: Fd, child: Fd, streams: CallerStreams): void {
  for (const { number } of readSignals(signals)) {
    if (number === SIGWINCH) streams.resize();
    if (number === SIGTSTP) stopBoth(child);
    else if (!OWN.includes(number)) forward(number, child);
  }
}

/** A program that somebody has stopped has to go on, to be able to end. */
function forward(signal: number, child: Fd): void {
  signalProcess(child, signal);
  if (ENDING.includes(signal)) signalProcess(child, SIGCONT);
}

/** The caller's shell cannot stop the program, which is in a session of its own. */
function stopBoth(child: Fd): void {
  signalProcess(child, SIGSTOP);
  stopSelf();
  signalProcess(child, SIGCONT);
}
