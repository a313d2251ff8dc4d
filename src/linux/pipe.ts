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
 * pipe2(2), with `O_CLOEXEC`.
 *
 * @throws {SyscallError}
 */
export function makePipe(): Pipe {
  const ends = new Int32Array(2);
  syscall("pipe2", asBytes(ends), O_CLOEXEC);
  return { readEnd: new Fd(ends[0]!), writeEnd: new Fd(ends[1]!) };
}
