/**
 * The network keeper: a process of `init`'s size that waits beside a pod with networks, and takes
 * the pod from them at its end.
 *
 * `run` has no privileges left by then, and plugins need root's. So the keeper is started while
 * `run` has them. It holds none itself while it waits: it waits for the end of a pipe, and then
 * executes `gc`, and execve(2) gives root its capabilities back. The other end of the pipe is
 * `run`'s alone. So the keeper goes on when `run` tells it to, and as well when `run` is killed.
 *
 * It is outside of the pod: in the host's namespaces, not in the pod's cgroup, and without any
 * descriptor of the pod's or the caller's. What it has to report it writes to a file in memory,
 * which `run` reads. No signal but SIGKILL and SIGSTOP reaches it or the `gc` that it becomes: a
 * service manager may send one to everything that `run` has started, and tear-down has to finish.
 *
 * @module
 */

import { noCapabilities } from "../linux/capability_sets.ts";
import { monotonicMilliseconds, waitMilliseconds } from "../linux/clock.ts";
import { failedWith } from "../linux/errno.ts";
import { type Fd, keepAcrossExec } from "../linux/fd.ts";
import { tryLockFile } from "../linux/file_lock.ts";
import { startProcess } from "../linux/init.ts";
import { makeMemoryFile } from "../linux/memory_file.ts";
import { O_CREAT, O_NOFOLLOW, O_RDONLY, openFile } from "../linux/open.ts";
import { openProcess } from "../linux/pidfd.ts";
import { makePipe } from "../linux/pipe.ts";
import { POLLIN, recordWaitFor, waitForEvents } from "../linux/poll.ts";
import { hasNoNewPrivileges, setProcessName } from "../linux/process.ts";
import { readText, rewind } from "../linux/read_write.ts";
import { blockEverySignal } from "../linux/signal_actions.ts";
import { endOf } from "../linux/wait.ts";
import { ONLY_NETWORKS } from "../stage1/arguments.ts";
import { recordCallerLimits } from "../stage1/caller_limits.ts";
import { describeError } from "../stage1/entrypoint.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

/** How many milliseconds `run` waits until its pod has left its networks. */
const PATIENCE = 30_000;

/**
 * How often, and at an interval of how many milliseconds, `gc` looks whether a keeper has ended.
 */
const TURN = { attempts: 1500, milliseconds: 20 };

/** The most bytes that are read of what a keeper reports. */
const LONGEST_REPORT = 64 * 1024;

/** What a keeper is started with. */
export interface KeeperStart {
  uuid: string;
  /** The pod's directory, relative to the working directory; by default, that itself. */
  directory?: string;
  /** The variables that plugins inherit, `NAME=value` each. */
  environment: readonly string[];
  /** Whether the `gc` that it becomes reports each step. */
  debug: boolean;
  /** What it is to hold until the pod has left its networks. */
  held: readonly Fd[];
}

/** The network keeper of a pod, as `run` has it. */
export interface NetworkKeeper {
  /** Has it begin to take the pod from its networks. Twice is fine. */
  begin(): void;
  /**
   * Has it begin, if it has not, and waits for its end, for so many milliseconds at most:
   * {@linkcode PATIENCE}.
   *
   * @returns What it reports, one line each.
   */
  finish(): string[];
}

/**
 * Starts the keeper of a pod that is about to join its networks. The thread has to have root's
 * capabilities in its bounding set.
 *
 * @throws {SyscallError} when it cannot be started.
 */
export function startNetworkKeeper(start: KeeperStart): NetworkKeeper {
  const { readEnd, writeEnd } = makePipe();
  using end = readEnd;
  using lock = waitForKeeper(start.directory);
  const report = makeMemoryFile("report");
  const pid = startKeeper(start, end, lock, report);
  // The number of a child stays the child's until it has been waited for.
  const process = openProcess(pid)!;
  let hasBegun = false;
  const begin = () => {
    if (!hasBegun) writeEnd[Symbol.dispose]();
    hasBegun = true;
  };
  return {
    begin,
    finish() {
      begin();
      using _report = report;
      using held = process;
      return hasEnded(held) ? [...linesOf(report), ...describeEnd(pid)] : [
        `left to gc: leaving the networks takes more than ${PATIENCE / 1000} seconds`,
      ];
    },
  };
}

/**
 * Takes a pod from its networks at once, whose `run` and keeper were killed.
 *
 * @returns What is reported, one line each.
 */
export function leaveNetworksOf(start: KeeperStart): string[] {
  try {
    return startNetworkKeeper(start).finish();
  } catch (error) {
    return [`left to gc: ${describeError(error)}`];
  }
}

/**
 * Waits for the pod's keeper, if it has one, and keeps another process from taking the pod from its
 * networks meanwhile.
 *
 * @param directory The pod's directory.
 * @returns The lock by which it does so. Whoever has a descriptor of it has the turn.
 * @throws {Error} when the keeper does not end within 30 seconds.
 */
export function waitForKeeper(directory = "."): Fd {
  const lock = openFile(
    `${directory}/${POD_PATHS.keeperLock}`,
    O_RDONLY | O_CREAT | O_NOFOLLOW,
    0o600,
  );
  for (let attempt = 0; attempt < TURN.attempts; attempt++) {
    if (tryLockFile(lock)) return lock;
    waitMilliseconds(TURN.milliseconds);
  }
  lock[Symbol.dispose]();
  throw new Error("the pod is still being taken from its networks");
}

function startKeeper(start: KeeperStart, end: Fd, lock: Fd, report: Fd): number {
  const { uuid, directory = ".", environment, debug, held } = start;
  const argv = [POD_PATHS.gc, `--${ONLY_NETWORKS}`, ...(debug ? ["--debug"] : []), uuid];
  return startProcess({
    init: POD_PATHS.init,
    fds: [end, lock, report, ...held],
    record: (script, unready) => {
      const { call } = script;
      blockEverySignal(call);
      // The caller's terminal and process group are no concern of it.
      call("setsid");
      call("chdir", directory);
      setProcessName("volo-networks", call);
      recordCallerLimits(call);
      for (const number of [0, 1, 2]) call("dup3", report.number, number, 0);
      for (const { number } of [lock, ...held]) keepAcrossExec(number, call);
      // A process that may get no privileges by execve(2) has to keep those that it has.
      if (!hasNoNewPrivileges()) noCapabilities(call);
      script.try("close", unready.number);
      recordWaitFor([{ fd: end.number, events: 0 }], script);
      call("execve", POD_PATHS.gc, [...argv, null], [...environment, null]);
    },
  });
}

/** Waits for a process. Signals may interrupt the wait. */
function hasEnded(process: Fd): boolean {
  const deadline = monotonicMilliseconds() + PATIENCE;
  for (;;) {
    const rest = deadline - monotonicMilliseconds();
    if (waitForEvents([{ fd: process.number, events: POLLIN }], Math.max(0, rest)).length > 0) {
      return true;
    }
    if (rest <= 0) return false;
  }
}

function linesOf(report: Fd): string[] {
  try {
    rewind(report);
    const lines = readText(report, LONGEST_REPORT).split("\n").filter((line) => line !== "");
    return lines.map((line) => line.replace(/^(run|gc): /, ""));
  } catch (error) {
    return [`what plugins have written: ${describeError(error)}`];
  }
}

/** A keeper that fails has reported why, unless it was killed. */
function describeEnd(pid: number): string[] {
  const killed = "left to gc: the process that leaves the pod's networks was killed";
  try {
    return "signal" in endOf(pid) ? [killed] : [];
  } catch (error) {
    // The supervisor has waited for it, as for every child that ends while the pod runs.
    if (failedWith(error, "ECHILD")) return [killed];
    throw error;
  }
}
