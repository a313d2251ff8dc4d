/**
 * Files that exist in memory only: memfd_create(2).
 *
 * @module
 */

import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_RDONLY, openFile } from "./open.ts";
import { readBytes, writeAll } from "./read_write.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
const F_ADD_SEALS = 1033;
/** `F_SEAL_SEAL`, `F_SEAL_SHRINK`, `F_SEAL_GROW` and `F_SEAL_WRITE`. */
const EVERY_SEAL = 0xf;

/**
 * Makes a file that exists in memory only, and vanishes with its last descriptor: memfd_create(2).
 *
 * @param name Its name in /proc.
 * @throws {SyscallError} when there is no memory or no descriptor left.
 */
export function makeMemoryFile(name: string): Fd {
  return new Fd(syscall("memfd_create", name, MFD_CLOEXEC));
}

/**
 * Copies a file to a file in memory that nobody can write to any more, and opens that one for
 * reading and executing.
 *
 * @throws {SyscallError} when the file cannot be read, or there is no memory left.
 */
export function makeSealedCopy(path: string): Fd {
  using memory = new Fd(syscall("memfd_create", path, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  {
    using file = openFile(path, O_RDONLY);
    writeAll(memory, readBytes(file, Infinity));
  }
  syscall("fcntl", memory.number, F_ADD_SEALS, EVERY_SEAL);
  // A file that is open for writing cannot be executed.
  return openFile(`/proc/self/fd/${memory.number}`, O_RDONLY);
}
