/**
 * Programs of the host that do a part of the work, such as network plugins. They read their input
 * from standard input, and print their answer on standard output.
 *
 * For each pod only one of them runs at a time. A program goes on when `run` or `gc` is killed
 * while it runs; so each program, and whatever it starts, keeps a file of the pod locked, and the
 * next program waits for that lock. So nothing is undone while it is still being done.
 *
 * @module
 */

import { waitMilliseconds } from "../linux/clock.ts";
import { type Fd, keepAcrossExec } from "../linux/fd.ts";
import { tryLockFile, unlockFile } from "../linux/file_lock.ts";
import { startProcess } from "../linux/init.ts";
import { makeMemoryFile } from "../linux/memory_file.ts";
import { O_CREAT, O_NOFOLLOW, O_RDONLY, openFile } from "../linux/open.ts";
import { readText, rewind, writeText } from "../linux/read_write.ts";
import { restoreSignals } from "../linux/signal_actions.ts";
import { type End, endOf } from "../linux/wait.ts";
import { recordCallerLimits } from "../stage1/caller_limits.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { ProgramEnd, ProgramRun } from "./plugin.ts";

/** The most bytes of an answer. */
const LONGEST_ANSWER = 1024 * 1024;

/** How often, and at an interval of how many milliseconds, the lock is tried. */
const PATIENCE = { attempts: 1500, milliseconds: 20 };

/**
 * Runs a program in this process's namespaces and directory, and waits for its end. Its standard
 * error is this process's.
 *
 * @throws {SyscallError} when it cannot be started.
 * @throws {RangeError} when it prints more than {@linkcode LONGEST_ANSWER} bytes.
 * @throws {Error} when a program that was started before does not end within 30 seconds.
 */
export function runHelper({ path, argv, environment, stdin }: ProgramRun): ProgramEnd {
  // Files in memory, not pipes: input and output then cannot wait for each other.
  using input = makeMemoryFile("stdin");
  using output = makeMemoryFile("stdout");
  using turn = waitForTurn();
  writeText(input, stdin);
  rewind(input);
  const pid = startProcess({
    init: POD_PATHS.init,
    fds: [input, output, turn],
    record: ({ call }) => {
      restoreSignals(call);
      call("dup3", input.number, 0, 0);
      call("dup3", output.number, 1, 0);
      keepAcrossExec(turn.number, call);
      recordCallerLimits(call);
      call("execve", path, [...argv, null], [...environment, null]);
    },
  });
  const end = endOf(pid);
  // Processes that a program leaves running on its exit are meant to stay, so the lock is lifted.
  // Those of a killed program are not, and the next one waits for them.
  if ("status" in end) unlockFile(turn);
  rewind(output);
  return { status: statusOf(end), stdout: readText(output, LONGEST_ANSWER) };
}

function waitForTurn(): Fd {
  const lock = openFile(POD_PATHS.networkLock, O_RDONLY | O_CREAT | O_NOFOLLOW, 0o600);
  for (let attempt = 0; attempt < PATIENCE.attempts; attempt++) {
    if (tryLockFile(lock)) return lock;
    waitMilliseconds(PATIENCE.milliseconds);
  }
  throw new Error("a plugin that was called before is still running");
}

function statusOf(end: End): number {
  return "status" in end ? end.status : 128 + end.signal;
}
