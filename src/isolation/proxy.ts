/**
 * Standing in for a program that cannot be become, as it is in another PID namespace: what happens to this process
 * happens to that one, and the other way round.
 *
 * Both are in one session and process group, so a terminal takes them for one program: keys that are signals reach
 * the program by themselves.
 *
 * @module
 */

import type { Fd } from "../linux/file.ts";
import { POLLIN, waitForEvents } from "../linux/poll.ts";
import {
  changeOf,
  endAs,
  openProcess,
  ownProcessGroup,
  SIGCHLD,
  SIGCONT,
  signalProcess,
  stopSelf,
} from "../linux/process.ts";
import { CATCHABLE_SIGNALS, openSignals, readSignals } from "../linux/signals.ts";
import { foregroundGroup, setForegroundGroup } from "../linux/terminal.ts";

/**
 * Starts a program, and ends as it ends. While it runs, it gets the signals that this process is sent.
 *
 * @param start Starts it, and returns its process id.
 * @param started Hears that there is nothing left to do but to wait.
 * @throws {Error} what `start` throws.
 */
export function standInFor(start: () => number, started: () => void): never {
  // Before the start, so that none is missed.
  using signals = openSignals(CATCHABLE_SIGNALS);
  const terminal = isInForeground();
  const pid = start();
  started();
  const end = waitWithSignals(pid, signals);
  // A shell that had groups of its own leaves the terminal to one that is gone.
  if (terminal) takeForeground();
  endAs(end);
}

function waitWithSignals(pid: number, signals: Fd) {
  using child = openProcess(pid);
  for (;;) {
    waitForEvents([{ fd: signals.number, events: POLLIN }]);
    for (const { number, isKernels } of readSignals(signals)) {
      if (number !== SIGCHLD) {
        // The kernel's go to the whole process group.
        if (child && !isKernels) signalProcess(child, number);
        continue;
      }
      const change = changeOf(pid);
      if (change === "stopped") {
        stopSelf();
        if (child) signalProcess(child, SIGCONT);
      } else if (change) return change;
    }
  }
}

/** Standard input is what a shell takes its terminal from. */
const STDIN = 0;

function isInForeground(): boolean {
  return Deno.stdin.isTerminal() && foregroundGroup(STDIN) === ownProcessGroup();
}

/** SIGTTOU is blocked, like the others. */
function takeForeground(): void {
  const group = foregroundGroup(STDIN);
  if (group !== undefined && group !== ownProcessGroup()) {
    setForegroundGroup(STDIN, ownProcessGroup());
  }
}
