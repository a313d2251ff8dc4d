/**
 * Processes that begin as the image's `init`, with a list of system calls to make: see
 * `call_script.ts`.
 *
 * @module
 */

import { CallScript, CHILD_ADDRESS, type WrittenScript } from "./call_script.ts";
import { CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_VFORK } from "./clone_flags.ts";
import { closeAllAtExec } from "./close_all.ts";
import { AT_EMPTY_PATH, closeAtExec, type Fd, keepAcrossExec } from "./fd.ts";
import { posixSpawn, syscall } from "./libc.ts";
import { makeMemoryFile, makeSealedCopy } from "./memory_file.ts";
import { cloneReadOnly } from "./mount.ts";
import { openProcess, signalProcess } from "./pidfd.ts";
import { makePipe } from "./pipe.ts";
import { POLLIN, waitForEvents } from "./poll.ts";
import { makeUndumpable } from "./process.ts";
import { readText } from "./read_write.ts";
import { SIGCHLD, SIGKILL } from "./signal_numbers.ts";
import { waitFor } from "./wait.ts";

/** The last of the descriptors that a program has anyway, and keeps. */
const STDERR = 2;

/** What a process begins with. */
export interface Beginning {
  /** Where `init` is, in this process's root. */
  init: string;
  /**
   * What the list refers to: the new process has them under the same numbers until its list closes
   * them.
   */
  fds: readonly Fd[];
}

/** A process that this one starts, and that is in nobody's sight before it is ready. */
export interface ProcessBeginning extends Beginning {
  /**
   * Records the list. It has to end with execve(2), or close everything when the process is ready.
   *
   * @param unready What it holds until then, in all its copies, and is waited for.
   */
  record: (script: CallScript, unready: Fd) => void;
  /**
   * Records a second list, which ends so in the place of the first. It is for `init` once more: a
   * process's memory belongs to the user namespace in which the process executed its program.
   */
  recordReexec?: (script: CallScript) => void;
}

/**
 * Opens `init` so that it can be executed, and nobody who then finds it as the program of a process
 * can write to it or change its mode: through a read-only mount that is in place nowhere. Before
 * Linux 5.12 there is none, and it is a sealed copy in memory.
 *
 * @throws {SyscallError}
 */
export function openInit(path: string): Fd {
  return cloneReadOnly(path) ?? makeSealedCopy(path);
}

/**
 * Starts a process, and waits until it has executed its program, or closed all that it was given.
 *
 * @returns Its process id, as this process sees it.
 * @throws {SyscallError} the one that ended its list, if one did.
 */
export function startProcess({ init: path, fds, record, recordReexec }: ProcessBeginning): number {
  using opened = new DisposableStack();
  const init = opened.use(openInit(path));
  const memory = opened.use(makeMemoryFile("init"));
  const reexec = recordReexec && prepareReexec(path, recordReexec, opened);
  const pipe = makePipe();
  opened.use(pipe.readEnd);
  const ofReexec = reexec ? [reexec.init, reexec.memory] : [];
  const passed = [pipe.writeEnd, ...ofReexec, ...beyondStderr(fds)];
  const script = beginScript();
  for (const { number } of passed) closeAtExec(number, script.call);
  record(script, pipe.writeEnd);
  if (reexec) recordReexecCall(reexec, pipe.writeEnd, script);
  const written = script.writeTo(memory);
  const pid = spawn(init, memory, passed);
  pipe.writeEnd[Symbol.dispose]();
  // It ends when the process no longer holds the other end.
  readText(pipe.readEnd, 0);
  const failure = written.failure() ?? reexec?.written.failure();
  if (failure === undefined) return pid;
  waitFor(pid);
  throw failure;
}

/** What it takes to execute `init` once more. */
interface Reexec {
  init: Fd;
  memory: Fd;
  written: WrittenScript;
}

function prepareReexec(
  path: string,
  record: (script: CallScript) => void,
  opened: DisposableStack,
): Reexec {
  const script = beginScript();
  record(script);
  const init = opened.use(openInit(path));
  const memory = opened.use(makeMemoryFile("init"));
  return { init, memory, written: script.writeTo(memory) };
}

function recordReexecCall({ init, memory }: Reexec, writer: Fd, { call }: CallScript): void {
  // Who started the process waits for the second list's end.
  for (const { number } of [memory, writer]) keepAcrossExec(number, call);
  call("execveat", init.number, "", ["init", `${memory.number}`, null], [null], AT_EMPTY_PATH);
}

/** A process that joins others, who may be its enemies, as the last thing that it does. */
export interface LaunchBeginning extends Beginning {
  /**
   * Records the list: all that is joined and given up, then {@linkcode recordEntrance}, and what is
   * left to do in sight of the others, which ends with execve(2). Nothing may be open before that
   * but descriptors 0 to 2.
   */
  record: (script: CallScript) => void;
}

/**
 * How long a process may take to execute its program once it is in sight of others, in
 * milliseconds.
 */
const LAUNCH_PATIENCE = 2000;

/** How long one that has failed to may take to end. */
const END_PATIENCE = 1000;

/**
 * Records the step from the process that prepares all to the one that becomes the program: its
 * copy, which is a child of who started it, and in the PID namespace that it has chosen for its
 * children. It waits until the copy has executed its program, and ends.
 */
export function recordEntrance(script: CallScript): void {
  const flags = CLONE_VFORK | CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD;
  script.onlyAt(0, "clone", flags, 0, CHILD_ADDRESS, 0);
}

/**
 * Starts a process as two: one that prepares all out of the others' sight, and its copy, which is
 * in their sight and becomes the program.
 *
 * The copy may be stopped before it has done so, by those others. That is not waited for: it counts
 * as started then.
 *
 * @returns The process id of the copy, as this process sees it.
 * @throws {SyscallError} the one that ended the list, if one did.
 */
export function launchProcess({ init: path, fds, record }: LaunchBeginning): number {
  using init = openInit(path);
  using memory = makeMemoryFile("init");
  const script = beginScript();
  record(script);
  const written = script.writeTo(memory);
  const preparer = spawn(init, memory, beyondStderr(fds));
  awaitPreparer(preparer);
  const pid = written.child();
  const status = waitFor(preparer);
  const failure = written.failure();
  if (pid === undefined) {
    throw failure ?? new Error(`who prepares the process has ended with status ${status}`);
  }
  if (failure === undefined) return pid;
  endFailed(pid);
  throw failure;
}

function awaitPreparer(pid: number): void {
  // A child cannot come to be another process before it has been waited for.
  using preparer = openProcess(pid)!;
  const interest = { fd: preparer.number, events: POLLIN };
  if (waitForEvents([interest], LAUNCH_PATIENCE).length === 0) signalProcess(preparer, SIGKILL);
}

/** Its report may be somebody else's, so it may not even be about to end. */
function endFailed(pid: number): void {
  {
    using process = openProcess(pid)!;
    waitForEvents([{ fd: process.number, events: POLLIN }], END_PATIENCE);
    signalProcess(process, SIGKILL);
  }
  waitFor(pid);
}

/** What this process becomes. */
export interface Becoming extends Omit<Beginning, "init"> {
  /** What {@linkcode openInit} opened. */
  init: Fd;
  /** Records the list, which has to end with execve(2) and close the descriptors. */
  record: (script: CallScript) => void;
  /** Makes a call, such as `execve("/app")`, the beginning of a line that tells of its failure. */
  describe: (call: string) => string;
}

/**
 * Has this very process go on as `init`, which makes the calls of the list and becomes the program.
 * Nobody is left then to tell of a failure but `init`.
 *
 * @throws {SyscallError} when not even `init` can be executed.
 */
export function execProcess({ init, fds, record, describe }: Becoming): never {
  using memory = makeMemoryFile("init");
  const script = beginScript();
  script.reportFailureAs(describe);
  record(script);
  script.writeTo(memory);
  for (const { number } of [memory, ...beyondStderr(fds)]) keepAcrossExec(number);
  const argv = ["init", `${memory.number}`, null];
  syscall("execveat", init.number, "", argv, [null], AT_EMPTY_PATH);
  throw new Error("execveat has returned");
}

/**
 * A list whose process nobody can look into, not even by owning a user namespace that the process
 * makes or joins: that gives every capability over who is in it.
 */
function beginScript(): CallScript {
  const script = new CallScript();
  makeUndumpable(script.call);
  return script;
}

function beyondStderr(fds: readonly Fd[]): Fd[] {
  return fds.filter(({ number }) => number > STDERR);
}

function spawn(init: Fd, memory: Fd, passed: readonly Fd[]): number {
  const kept = [memory, ...passed];
  try {
    for (const { number } of kept) keepAcrossExec(number);
    return posixSpawn(`/proc/self/fd/${init.number}`, ["init", `${memory.number}`], []);
  } finally {
    closeAllAtExec();
  }
}
