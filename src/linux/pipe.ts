/**
 * Pipes: pipe2(2).
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_CLOEXEC } from "./open.ts";

/** Both ends of a pipe. */
export interface Pipe {
  readEnd: Fd;
  writeEnd: Fd;
}

/**
 * Makes a pipe with `O_CLOEXEC`: pipe2(2).
 *
 * @throws {SyscallError} `EMFILE` or `ENFILE` when there is no descriptor left.
 */
export function makePipe(): Pipe {
  const ends = new Int32Array(2);
  syscall("pipe2", asBytes(ends), O_CLOEXEC);
  return { readEnd: new Fd(ends[0]!), writeEnd: new Fd(ends[1]!) };
}
