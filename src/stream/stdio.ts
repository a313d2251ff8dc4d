/**
 * The standard streams of one process, and the terminal that is among them.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import { setMode, setOwner } from "../linux/ownership.ts";
import { TERMINAL_MODE } from "../linux/terminal.ts";

/** The standard streams of an app's process, as descriptors of this process. */
export interface Stdio {
  fds: readonly [stdin: Fd, stdout: Fd, stderr: Fd];
  /** Whether stdin is a terminal, which is to be the process's controlling terminal. */
  hasTerminal: boolean;
  /** Whether stdin is the caller's: the process then stays in the caller's session. */
  isCallers: boolean;
}

/**
 * Gives a terminal to the user of the process that is to have it.
 *
 * @param slave The terminal's slave.
 * @param uid The user, as an id of the host.
 * @throws {SyscallError} when the kernel does not let this process change its owner or mode.
 */
export function giveTerminal(slave: Fd, uid: number): void {
  setOwner(slave, uid, -1);
  setMode(slave, TERMINAL_MODE);
}
