/**
 * Programs of the host that do a part of the work: they are told what on their standard input, and answer on their
 * standard output.
 *
 * One of them runs at a time, for a pod. That holds also when `run` or `gc` is killed while one runs, which goes on
 * then: it has a file of the pod's locked, as have the programs that it starts, and the next one waits for them all.
 * What is done is undone only when it has been done.
 *
 * @module
 */

import { waitMilliseconds } from "../linux/clock.ts";
import { type Fd, keepAcrossExec } from "../linux/fd.ts";
import { tryLockFile, unlockFile } from "../linux/file_lock.ts";
import { startProcess } from "../linux/init.ts";
import { makeMemoryFile } from "../linux/memory_file.ts";
import { O_CREAT, O_NOFOLLOW, O_RDONLY, openFile } from "../linux/open.ts";
import { type End, endOf, resetSignals } from "../linux/process.ts";
import { readText, rewind, writeText } from "../linux/read_write.ts";
import { recordCallerLimits } from "../stage1/caller_limits.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { ProgramEnd, ProgramRun } from "./plugin.ts";

/** Bytes that an answer can have. */
const LONGEST_ANSWER = 1024 * 1024;

/** How often, and after how many milliseconds, to look again whether the one before has ended. */
const PATIENCE = { attempts: 1500, milliseconds: 20 };

/**
 * Runs a program in this process's namespaces and directory, and waits for its end. What it complains about goes
 * to the terminal.
 *
 * @throws {SyscallError} when it cannot be started.
 * @throws {RangeError} when it answers with more than {@linkcode LONGEST_ANSWER}.
 * @throws {Error} when one that was started before does not end.
 */
export function runHelper({ path, argv, environment, stdin }: ProgramRun): ProgramEnd {
  // Files in memory, not pipes: nobody has to take turns.
  using input = makeMemoryFile("stdin");
  using output = makeMemoryFile("stdout");
  using turn = waitForTurn();
  writeText(input, stdin);
  rewind(input);
  const pid = startProcess({
    init: POD_PATHS.init,
    fds: [input, output, turn],
    record: ({ call }) => {
      resetSignals(call);
      call("dup3", input.number, 0, 0);
      call("dup3", output.number, 1, 0);
      keepAcrossExec(turn.number, call);
      recordCallerLimits(call);
      call("execve", path, [...argv, null], [...environment, null]);
    },
  });
  const end = endOf(pid);
  // What one that has done its work leaves running is meant to stay. What one that was killed leaves is not.
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
