/**
 * Closing all descriptors that a program is not meant to have.
 *
 * @module
 */

import type { CallScript } from "./call_script.ts";
import { listDirectory } from "./directory.ts";
import { failedWith } from "./errno.ts";
import { closeAtExec, type Fd, FIRST_FD, isOpen, LAST_FD } from "./fd.ts";
import { syscall } from "./libc.ts";

const CLOSE_RANGE_CLOEXEC = 4;

/** The descriptors that a process keeps beside 0 to 2. */
export interface KeptFds {
  /** One with any number. */
  kept?: Fd | undefined;
  /** How many from 3 on. */
  count?: number;
}

/**
 * Records that a process closes every descriptor but 0 to 2, and but those that it keeps.
 *
 * @param known All descriptors that the process was given: before Linux 5.9 there is no
 * close_range(2), and they are closed one by one.
 */
export function recordCloseAll(
  known: readonly Fd[],
  script: CallScript,
  { kept, count = 0 }: KeptFds = {},
): void {
  const start = FIRST_FD + count;
  const ranges = kept === undefined
    ? [[start, LAST_FD]]
    : [[start, kept.number - 1], [kept.number + 1, LAST_FD]];
  for (const { number } of known) {
    if (number >= start && number !== kept?.number) script.try("close", number);
  }
  for (const [first, last] of ranges) {
    if (first! <= last!) script.try("close_range", first!, last!, 0);
  }
}

/**
 * Marks every descriptor but 0 to 2 to be closed at exec. Descriptors that this program opens later
 * are marked when they are opened.
 *
 * They are not closed at once: should the exec fail, this program still runs and reports it.
 *
 * Call this while /proc is the host's: before Linux 5.11 the descriptors are looked up there, and
 * an app's root may hold a forged /proc.
 *
 * @throws {SyscallError} when the descriptors cannot be listed or marked.
 */
export function closeAllAtExec(): void {
  try {
    syscall("close_range", FIRST_FD, LAST_FD, CLOSE_RANGE_CLOEXEC);
  } catch (error) {
    // The call is there from Linux 5.9 on, the flag from 5.11 on.
    if (!failedWith(error, "ENOSYS", "EINVAL")) throw error;
    const listed = listDirectory("/proc/self/fd").map(Number).filter((fd) => fd >= FIRST_FD);
    // The descriptor of the list itself is closed by now.
    listed.filter(isOpen).forEach((fd) => closeAtExec(fd));
  }
}
