/**
 * Processes that begin as the image's `init`, with a list of system calls to make: see `call_script.ts`.
 *
 * @module
 */

import { CallScript, type WrittenScript } from "./call_script.ts";
import {
  AT_EMPTY_PATH,
  closeAtExec,
  type Fd,
  keepAcrossExec,
  makeMemoryFile,
  makePipe,
  O_PATH,
  openFile,
  readText,
} from "./file.ts";
import { posixSpawn } from "./libc.ts";
import { recordOnlyUnlessReady } from "./poll.ts";
import { dieWithParent, waitFor } from "./process.ts";

/** The last of the descriptors that a program has anyway, and keeps. */
const STDERR = 2;

/** What a process begins with. */
export interface Beginning {
  /** Where `init` is, in this process's root. */
  init: string;
  /** What the list refers to: the new process has them under the same numbers until it executes its program. */
  fds: readonly Fd[];
  /**
   * Records the list. It has to end with execve(2), or close everything when the process is ready.
   *
   * @param starter For {@linkcode recordDieWith}.
   */
  record: (script: CallScript, starter: Fd) => void;
  /**
   * Records a second list, which ends so in the place of the first. It is for `init` once more: a process's memory
   * belongs to the user namespace in which the process executed its program.
   */
  recordAgain?: (script: CallScript) => void;
}

/**
 * Records that the process ends with the one that starts it, also if that ends before the list is done. Whatever
 * changes its credentials takes that back.
 *
 * @param starter What the process can tell by whether that other one is there: it holds the other end.
 */
export function recordDieWith(starter: Fd, script: CallScript): void {
  dieWithParent(script.call);
  recordOnlyUnlessReady({ fd: starter.number, events: 0 }, script);
}

/**
 * Starts a process, and waits until it has executed its program, or closed all that it was given.
 *
 * @returns Its process id, as this process sees it.
 * @throws {SyscallError} the one that ended its list, if one did.
 */
export function startProcess({ init, fds, record, recordAgain }: Beginning): number {
  using opened = new DisposableStack();
  const memory = opened.use(makeMemoryFile("init"));
  const sequel = recordAgain && prepareSequel(init, recordAgain, opened);
  const pipe = makePipe();
  opened.use(pipe.readEnd);
  const ofSequel = sequel ? [sequel.init, sequel.memory] : [];
  const ofCaller = fds.filter(({ number }) => number > STDERR);
  const passed = [memory, pipe.writeEnd, ...ofSequel, ...ofCaller];
  const script = new CallScript();
  for (const { number } of passed) closeAtExec(number, script.call);
  record(script, pipe.writeEnd);
  if (sequel) recordSequel(sequel, pipe.writeEnd, script);
  const written = script.writeTo(memory);
  const pid = spawn(init, memory, passed);
  pipe.writeEnd[Symbol.dispose]();
  // It ends when the process no longer holds the other end.
  readText(pipe.readEnd, 0);
  const failure = written.failure() ?? sequel?.written.failure();
  if (failure === undefined) return pid;
  waitFor(pid);
  throw failure;
}

/** What it takes to execute `init` once more. */
interface Sequel {
  init: Fd;
  memory: Fd;
  written: WrittenScript;
}

function prepareSequel(
  path: string,
  record: (script: CallScript) => void,
  opened: DisposableStack,
): Sequel {
  const script = new CallScript();
  record(script);
  const init = opened.use(openFile(path, O_PATH));
  const memory = opened.use(makeMemoryFile("init"));
  return { init, memory, written: script.writeTo(memory) };
}

function recordSequel({ init, memory }: Sequel, writer: Fd, { call }: CallScript): void {
  // Who started the process waits for the second list's end.
  for (const { number } of [memory, writer]) keepAcrossExec(number, call);
  call("execveat", init.number, "", ["init", `${memory.number}`, null], [null], AT_EMPTY_PATH);
}

function spawn(init: string, memory: Fd, passed: readonly Fd[]): number {
  try {
    for (const { number } of passed) keepAcrossExec(number);
    return posixSpawn(init, ["init", `${memory.number}`], []);
  } finally {
    for (const { number } of passed) closeAtExec(number);
  }
}
