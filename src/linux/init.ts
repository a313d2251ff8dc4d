/**
 * Starting processes by the image's `init`, which carries out a list of system calls: see
 * `call_script.ts`.
 *
 * @module
 */

import { CallScript, type WrittenScript } from "./call_script.ts";
import { CLONE_PARENT, CLONE_PARENT_SETTID, CLONE_VFORK } from "./clone_flags.ts";
import { closeAllAtExec } from "./close_all.ts";
import type { SyscallError } from "./errno.ts";
import { AT_EMPTY_PATH, closeAtExec, type Fd, keepAcrossExec } from "./fd.ts";
import { posixSpawn, syscall } from "./libc.ts";
import { makeSealedCopy } from "./memory_file.ts";
import { cloneReadOnly } from "./mount.ts";
import { openProcess, signalProcess } from "./pidfd.ts";
import { makePipe } from "./pipe.ts";
import { POLLIN, waitForEvents } from "./poll.ts";
import { makeUndumpable } from "./process.ts";
import { readText } from "./read_write.ts";
import { reapEnded } from "./reap.ts";
import { ScriptFiles } from "./script_files.ts";
import { CHILD_ADDRESS, CHILD_SIZE, Place } from "./script_format.ts";
import { SIGCHLD, SIGKILL } from "./signal_numbers.ts";
import { waitFor } from "./wait.ts";

/** The last of the descriptors that every program has and keeps. */
const STDERR = 2;

/** What a process starts with. */
export interface Beginning {
  /** The path of `init` in this process's root. */
  init: string;
  /**
   * The descriptors that the list refers to. The new process has them under the same numbers until
   * its list closes them.
   */
  fds: readonly Fd[];
}

/** A process that nobody else sees before it is ready. */
export interface ProcessBeginning extends Beginning {
  /**
   * Records the list. It has to end with execve(2), or to close all descriptors when the process is
   * ready.
   *
   * @param unready A descriptor that the process and its copies hold until they are ready: its end
   * is waited for.
   */
  record: (script: CallScript, unready: Fd) => void;
  /**
   * Records a second list, for `init` executed once more at the end of the first list. A process's
   * memory belongs to the user namespace in which the process executed its program: after it joined
   * another one, it has to execute `init` again.
   */
  recordReexec?: (script: CallScript) => void;
}

/**
 * Opens `init` so that it can be executed, and so that nobody who finds it as the program of a
 * process can write to it or change its mode: through a read-only mount that is in place nowhere.
 * Before Linux 5.12 there is no such mount, and `init` is copied to sealed memory.
 *
 * @throws {SyscallError} when `init` cannot be opened or copied.
 */
export function openInit(path: string): Fd {
  return cloneReadOnly(path) ?? makeSealedCopy(path);
}

/**
 * Starts a process, and waits until it has executed its program or closed all that it was given.
 *
 * @returns Its process id, as this process sees it.
 * @throws {SyscallError} the error that ended its list, if one did.
 */
export function startProcess({ init: path, fds, record, recordReexec }: ProcessBeginning): number {
  using opened = new DisposableStack();
  const init = opened.use(openInit(path));
  const memory = opened.use(new ScriptFiles());
  const reexec = recordReexec && prepareReexec(path, recordReexec, opened);
  const pipe = makePipe();
  opened.use(pipe.readEnd);
  const reexecFds = reexec ? [reexec.init, ...reexec.memory.fds] : [];
  const passed = [pipe.writeEnd, ...reexecFds, ...beyondStderr(fds)];
  const script = beginScript();
  for (const { number } of passed) closeAtExec(number, script.call);
  record(script, pipe.writeEnd);
  if (reexec) recordReexecCall(reexec, pipe.writeEnd, script);
  const written = script.writeTo(memory);
  const pid = spawn(init, memory, passed);
  pipe.writeEnd[Symbol.dispose]();
  // The text ends when the process no longer holds the other end.
  readText(pipe.readEnd, 0);
  const failure = written.failure() ?? reexec?.written.failure();
  if (failure === undefined) return pid;
  waitFor(pid);
  throw failure;
}

/** A second execution of `init`, and its list. */
interface Reexec {
  init: Fd;
  memory: ScriptFiles;
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
  const memory = opened.use(new ScriptFiles());
  return { init, memory, written: script.writeTo(memory) };
}

function recordReexecCall({ init, memory }: Reexec, writer: Fd, { call }: CallScript): void {
  // The process that started this one waits until the second list is done.
  for (const { number } of [...memory.fds, writer]) keepAcrossExec(number, call);
  call("execveat", init.number, "", [...memory.argv, null], [null], AT_EMPTY_PATH);
}

/** A process that joins others, who may be hostile, as its last step. */
export interface LaunchBeginning extends Beginning {
  /**
   * Records the list: all that is joined and given up, then {@linkcode recordEntrance}, and what is
   * left to do in sight of the others, which ends with execve(2). At {@linkcode recordEntrance},
   * only descriptors 0 to 2 may be open.
   */
  record: (script: CallScript) => void;
}

/** How long a process may take to execute its program once others see it, in milliseconds. */
const LAUNCH_PATIENCE = 2000;

/** How long a process that failed may take to end, in milliseconds. */
const END_PATIENCE = 1000;

/**
 * Records the step from the process that prepares everything to its copy, which becomes the
 * program. The copy is a child of the process that started the first one, and is in the PID
 * namespace that the first one chose for its children. The first one waits until the copy has
 * executed its program, and ends.
 */
export function recordEntrance(script: CallScript): void {
  const flags = CLONE_VFORK | CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD;
  script.onlyAt(0, "clone", flags, 0, CHILD_ADDRESS, 0);
}

/**
 * Starts a process as two: one prepares everything out of the others' sight; its copy is in their
 * sight and becomes the program.
 *
 * The others may stop the copy before it has executed the program. It then counts as started, and
 * is not waited for.
 *
 * @returns The process id of the copy, as this process sees it.
 * @throws {SyscallError} the error that ended the list, if one did.
 */
export function launchProcess({ init: path, fds, record }: LaunchBeginning): number {
  using init = openInit(path);
  using memory = new ScriptFiles();
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
  // A child's number cannot come to mean another process before the child was waited for.
  using preparer = openProcess(pid)!;
  const interest = { fd: preparer.number, events: POLLIN };
  if (waitForEvents([interest], LAUNCH_PATIENCE).length === 0) signalProcess(preparer, SIGKILL);
}

/** The report may have been written by somebody else, so the process may not be about to end. */
function endFailed(pid: number): void {
  {
    using process = openProcess(pid)!;
    waitForEvents([{ fd: process.number, events: POLLIN }], END_PATIENCE);
    signalProcess(process, SIGKILL);
  }
  // Who stopped it may trace it.
  reapEnded(pid);
}

/** A process that stays with its list. */
export interface StayingBeginning extends Beginning {
  /** Records the list. Nothing is closed before the list does that. */
  record: (script: CallScript) => void;
  /**
   * Has the process itself write which call failed: see {@linkcode CallScript.reportFailureAs}.
   * Without it, the failure is in the report alone.
   */
  describe?: ((call: string, name: string) => string) | undefined;
}

/** A process that has been started, and its report. */
export interface StayingProcess extends Disposable {
  pid: number;
  /** Returns the error that ended the list, or that of a child by {@linkcode recordChild}. */
  failure(): SyscallError | undefined;
}

/**
 * Starts a process, and waits for nothing.
 *
 * @throws {SyscallError} when the process cannot be started.
 */
export function startStaying(beginning: StayingBeginning): StayingProcess {
  const { init: path, fds, record, describe } = beginning;
  using undo = new DisposableStack();
  using init = openInit(path);
  const memory = undo.use(new ScriptFiles());
  const script = beginScript();
  if (describe) script.reportFailureAs(describe);
  record(script);
  const written = script.writeTo(memory);
  const pid = spawn(init, memory, beyondStderr(fds));
  const held = undo.move();
  return { pid, failure: () => written.failure(), [Symbol.dispose]: () => held.dispose() };
}

/** Of madvise(2): whether children get a part of the memory. */
const MADV_DONTFORK = 10;
const MADV_DOFORK = 11;

/**
 * Records that a process makes a child, and goes on beside it. The child's list may have
 * {@linkcode recordEntrance}: then the id of the copy, whose parent is the process, is what the
 * process finds at {@linkcode CHILD_ADDRESS}.
 *
 * @param parent Records what the process does. Its first call may take the child's id as the result
 * of the call before, and its last one has to end the process.
 * @param child Records what the child does.
 */
export function recordChild(script: CallScript, parent: () => void, child: () => void): void {
  const [ofParent, ofChild] = [new Place(), new Place()];
  const setFork = (advice: number) => script.call("madvise", CHILD_ADDRESS, CHILD_SIZE, advice);
  setFork(MADV_DOFORK);
  script.jumpUnless(0, ofParent, "clone", SIGCHLD, 0, 0, 0, 0);
  script.jump(ofChild);
  script.placeHere(ofParent);
  parent();
  script.placeHere(ofChild);
  setFork(MADV_DONTFORK);
  child();
}

/** What this process becomes. */
export interface Becoming extends Omit<Beginning, "init"> {
  /** The descriptor that {@linkcode openInit} opened. */
  init: Fd;
  /** Records the list, which has to end with execve(2) and close the descriptors. */
  record: (script: CallScript) => void;
  /**
   * Turns a call in words, such as `execve("/app")`, and its name into the beginning of a line
   * about its failure.
   */
  describe: (call: string, name: string) => string;
}

/**
 * Replaces this process by `init`, which makes the calls of the list and becomes the program. Only
 * `init` is then left to report a failure.
 *
 * @throws {SyscallError} when not even `init` can be executed.
 */
export function execProcess({ init, fds, record, describe }: Becoming): never {
  using memory = new ScriptFiles();
  const script = beginScript();
  script.reportFailureAs(describe);
  record(script);
  script.writeTo(memory);
  for (const { number } of [...memory.fds, ...beyondStderr(fds)]) keepAcrossExec(number);
  const argv = [...memory.argv, null];
  syscall("execveat", init.number, "", argv, [null], AT_EMPTY_PATH);
  throw new Error("execveat has returned");
}

/**
 * A list whose first call keeps everybody from looking into the process. Without it, the owner of a
 * user namespace that the process makes or joins could: the owner has every capability over the
 * processes in it.
 */
function beginScript(): CallScript {
  const script = new CallScript();
  makeUndumpable(script.call);
  return script;
}

function beyondStderr(fds: readonly Fd[]): Fd[] {
  return fds.filter(({ number }) => number > STDERR);
}

function spawn(init: Fd, memory: ScriptFiles, passed: readonly Fd[]): number {
  const kept = [...memory.fds, ...passed];
  try {
    for (const { number } of kept) keepAcrossExec(number);
    return posixSpawn(`/proc/self/fd/${init.number}`, memory.argv, []);
  } finally {
    closeAllAtExec();
  }
}
