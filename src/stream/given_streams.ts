/**
 * The caller's pipes and terminals, given to the user of a program that has them as its standard
 * streams. Only their owner may open them by the names /dev/stdin, /dev/stdout and /dev/stderr, as
 * many programs do.
 *
 * Given is what belongs to root, as whose caller stage1 runs, and leads nowhere else: pipes without
 * a name, and terminals. Files, named pipes and other devices are the host's, whoever has them
 * open. What has been given is given back at the end, with the mode that it has had and without an
 * access control list: a terminal that has one is not given.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import {
  type GivenFile,
  hasAccessList,
  removeAccessList,
  setMode,
  setOwner,
} from "../linux/ownership.ts";
import { type DeviceNumber, fileSystemType, PIPEFS_MAGIC, statFd } from "../linux/stat.ts";
import { isTerminal } from "../linux/terminal.ts";

const ROOT = 0;

/**
 * Devices that stand for other terminals: those with the major number of /dev/tty, /dev/console and
 * /dev/ptmx, and /dev/tty0, which is whatever virtual console is shown. See
 * Documentation/admin-guide/devices.txt of Linux.
 */
const STAND_INS = 5;
const SHOWN_CONSOLE = { major: 4, minor: 0 };

/** The streams that have been given, until the end of the `using` scope. */
export class GivenStreams implements Disposable {
  /** By the identity of the file: several descriptors may lead to one. */
  readonly #given = new Map<string, GivenFile>();

  /** What has been given. */
  get all(): readonly GivenFile[] {
    return [...this.#given.values()];
  }

  /**
   * Gives a stream of the caller's to a user, if it is one that can be given.
   *
   * @param uid The user, as an id of the host.
   * @throws {SyscallError} when the stream is not open.
   */
  give(fd: Fd, uid: number): void {
    // Most programs are root's, and root owns these already.
    if (uid === ROOT && this.#given.size === 0) return;
    const { identity, mode, uid: owner } = statFd(fd);
    if (owner === uid) return;
    if (!this.#given.has(identity) && !(owner === ROOT && isGivable(fd))) return;
    if (!trySetOwner(fd, uid)) return;
    if (!this.#given.has(identity)) this.#given.set(identity, { fd, mode });
  }

  /** Gives all back. */
  [Symbol.dispose](): void {
    for (const { fd, mode } of this.#given.values()) {
      // The list and the mode are the owner's to set.
      if (!trySetOwner(fd, ROOT)) continue;
      removeAccessList(fd);
      setMode(fd, mode);
    }
    this.#given.clear();
  }
}

function isGivable(fd: Fd): boolean {
  if (fileSystemType(fd) === PIPEFS_MAGIC) return true;
  return isTerminal(fd.number) && !isStandIn(statFd(fd).device) && !hasAccessList(fd);
}

function isStandIn(device: DeviceNumber | undefined): boolean {
  const { major, minor } = device ?? {};
  return major === STAND_INS || (major === SHOWN_CONSOLE.major && minor === SHOWN_CONSOLE.minor);
}

/** Where the file system keeps owners as they are, the program does without. */
function trySetOwner(fd: Fd, uid: number): boolean {
  try {
    setOwner(fd, uid, -1);
    return true;
  } catch (error) {
    if (failedWith(error, "EPERM", "EROFS", "EINVAL", "ENOSYS")) return false;
    throw error;
  }
}
