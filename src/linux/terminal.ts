/**
 * Terminals: their settings and size, and pairs of pseudo-terminals. See ioctl_tty(2) and pty(7).
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { type Call, syscall } from "./libc.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDWR, openAt } from "./open.ts";
import { fileSystemType } from "./stat.ts";

/** The magic number of statfs(2). */
const DEVPTS_SUPER_MAGIC = 0x1cd1;

/** The mode that login(1) gives a terminal: its owner reads and writes, its group writes. */
export const TERMINAL_MODE = 0o620;

const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCSCTTY = 0x540e;
const TIOCGPGRP = 0x540f;
const TIOCSPGRP = 0x5410;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TIOCGPTPEER = 0x5441;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;

/**
 * The kernel's `struct termios`: 4 bytes each of input, output, control and local flags, then the
 * line discipline, then the control characters.
 */
const TERMIOS_SIZE = 36;
const CONTROL_CHARACTERS = 17;
const VTIME = 5;
const VMIN = 6;

/** IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL and IXON. */
const COOKED_INPUT = 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000;
/** OPOST. */
const COOKED_OUTPUT = 0o1;
/** CSIZE and PARENB. */
const COOKED_CONTROL = 0o60 | 0o400;
const CS8 = 0o60;
/** ISIG, ICANON, ECHO, ECHONL and IEXTEN. */
const COOKED_LOCAL = 0o1 | 0o2 | 0o10 | 0o100 | 0o100000;

/**
 * Checks whether a descriptor is a terminal. One that is closed or hung up is none.
 *
 * @throws {SyscallError} when the kernel refuses to tell.
 */
export function isTerminal(fd: number): boolean {
  try {
    readTermios(fd);
    return true;
  } catch (error) {
    if (failedWith(error, "ENOTTY", "EINVAL", "EIO", "EBADF")) return false;
    throw error;
  }
}

/**
 * Raw mode of a terminal, in which it passes on each byte as it is, until the end of the `using`
 * scope.
 */
export class RawMode implements Disposable {
  readonly #fd: number;
  readonly #keepsOutput: boolean;
  readonly #before: Bytes;
  /** By now it may be another job's, with settings of its own. */
  #isRaw = true;

  /**
   * @param fd A terminal.
   * @param keepsOutput Whether output is still processed as before, for a terminal that is shared
   * with programs that do not expect raw mode.
   * @throws {SyscallError} when it is not a terminal.
   */
  constructor(fd: number, keepsOutput = false) {
    this.#fd = fd;
    this.#keepsOutput = keepsOutput;
    this.#before = readTermios(fd);
    syscall("ioctl", fd, TCSETS, rawTermios(this.#before, keepsOutput));
  }

  /** Makes the terminal raw again, after the caller's shell has used it. */
  resume(): void {
    this.#isRaw = true;
    this.#set(rawTermios(this.#before, this.#keepsOutput));
  }

  /** Gives the terminal back its settings for the time being. */
  suspend(): void {
    if (this.#isRaw) this.#set(this.#before);
    this.#isRaw = false;
  }

  /** Gives the terminal back its settings. */
  [Symbol.dispose](): void {
    this.suspend();
  }

  /** A terminal that was hung up has no settings. */
  #set(termios: Bytes): void {
    try {
      syscall("ioctl", this.#fd, TCSETS, termios);
    } catch (error) {
      if (!failedWith(error, "EIO")) throw error;
    }
  }
}

/**
 * The settings with which a terminal neither echoes nor changes anything, and no key sends a
 * signal: `cfmakeraw` of termios(3).
 *
 * @param termios The kernel's `struct termios`.
 * @param keepsOutput Whether output may still be changed on its way.
 */
function rawTermios(termios: Bytes, keepsOutput = false): Bytes {
  const raw = termios.slice();
  const view = new DataView(raw.buffer);
  view.setUint32(0, view.getUint32(0, true) & ~COOKED_INPUT, true);
  if (!keepsOutput) view.setUint32(4, view.getUint32(4, true) & ~COOKED_OUTPUT, true);
  view.setUint32(8, (view.getUint32(8, true) & ~COOKED_CONTROL) | CS8, true);
  view.setUint32(12, view.getUint32(12, true) & ~COOKED_LOCAL, true);
  raw[CONTROL_CHARACTERS + VTIME] = 0;
  raw[CONTROL_CHARACTERS + VMIN] = 1;
  return raw;
}

function readTermios(fd: number): Bytes {
  const termios = new Uint8Array(TERMIOS_SIZE);
  syscall("ioctl", fd, TCGETS, termios);
  return termios;
}

/** The size of a terminal's window, as in `struct winsize`; zeros where it is unknown. */
export interface WindowSize {
  rows: number;
  columns: number;
  /** In pixels. */
  width: number;
  height: number;
}

/**
 * Returns the size of a terminal's window.
 *
 * @throws {SyscallError} when it is not a terminal, or hung up.
 */
export function windowSize(fd: number): WindowSize {
  const size = new Uint16Array(4);
  syscall("ioctl", fd, TIOCGWINSZ, new Uint8Array(size.buffer));
  const [rows = 0, columns = 0, width = 0, height = 0] = size;
  return { rows, columns, width, height };
}

/**
 * Sets the size of a terminal's window. If that changes it, the terminal's programs get SIGWINCH.
 *
 * @throws {SyscallError} when it is not a terminal, or hung up.
 */
export function setWindowSize(fd: number, { rows, columns, width, height }: WindowSize): void {
  const size = new Uint16Array([rows, columns, width, height]);
  syscall("ioctl", fd, TIOCSWINSZ, new Uint8Array(size.buffer));
}

/** A pair of pseudo-terminals. Both are closed by exec. */
export interface Pty {
  /** The side of the program that shows the terminal. It does not wait. */
  master: Fd;
  /** The terminal that programs see. */
  slave: Fd;
  /** The slave's name in its devpts. */
  number: number;
}

/**
 * Makes a pair of pseudo-terminals. The only path that is looked up is `ptmx`, so the devpts may be
 * one that is mounted nowhere, or in another mount namespace.
 *
 * @param devpts The directory of a devpts.
 * @throws {SyscallError} when the devpts has no `ptmx`, or no terminals left.
 */
export function openPty(devpts: Fd): Pty {
  const master = openAt(devpts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
  try {
    const number = new Int32Array(1);
    syscall("ioctl", master.number, TIOCGPTN, asBytes(number));
    syscall("ioctl", master.number, TIOCSPTLCK, asBytes(new Int32Array(1)));
    const slave = syscall("ioctl", master.number, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return { master, slave: new Fd(slave), number: number[0]! };
  } catch (error) {
    master[Symbol.dispose]();
    throw error;
  }
}

/**
 * Checks whether a directory is a devpts: it contains terminals, and no file that somebody else
 * made.
 */
export function isDevpts(directory: Fd): boolean {
  return fileSystemType(directory) === DEVPTS_SUPER_MAGIC;
}

/**
 * Makes a terminal the controlling terminal of the calling process, which has to lead a session
 * that has none.
 */
export function takeTerminal(fd: number, call: Call): void {
  call("ioctl", fd, TIOCSCTTY, 0);
}

/**
 * Returns the process group that a terminal's keys signal.
 *
 * @returns `undefined` when the terminal is not this process's controlling terminal, or no terminal
 * at all.
 * @throws {SyscallError} when the kernel refuses to tell.
 */
export function foregroundGroup(fd: number): number | undefined {
  const group = new Int32Array(1);
  try {
    syscall("ioctl", fd, TIOCGPGRP, asBytes(group));
    return group[0]!;
  } catch (error) {
    if (failedWith(error, "ENOTTY", "EINVAL", "EIO", "EBADF")) return undefined;
    throw error;
  }
}

/**
 * Has the keys of a terminal signal another process group of this session.
 *
 * @throws {SyscallError} `EPERM` when the session has no such group.
 */
export function setForegroundGroup(fd: number, group: number): void {
  syscall("ioctl", fd, TIOCSPGRP, asBytes(new Int32Array([group])));
}
