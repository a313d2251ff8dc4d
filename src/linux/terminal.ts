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

/** Of statfs(2). */
const DEVPTS_SUPER_MAGIC = 0x1cd1;

/** The mode that login(1) gives a terminal: its owner reads and writes, its group writes. */
export const TERMINAL_MODE = 0o620;

const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCSCTTY = 0x540e;
const TIOCGPGRP = 0x540f;
const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TIOCGPTPEER = 0x5441;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTN = 0x80045430;

/**
 * The kernel's `struct termios`: 4 bytes each of input, output, control, local flags, then line,
 * characters.
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
 * Whether a descriptor is a terminal. One that is closed or hung up is none.
 *
 * @throws {SyscallError}
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

/** A terminal that passes on each byte as it is, until the end of the `using` scope. */
export class RawMode implements Disposable {
  readonly #fd: number;
  readonly #before: Bytes;

  /**
   * @param fd A terminal.
   * @param keepsOutput Whether what is shown is shown as before: for who shares it with programs that know of nothing.
   * @throws {SyscallError}
   */
  constructor(fd: number, keepsOutput = false) {
    this.#fd = fd;
    this.#before = readTermios(fd);
    syscall("ioctl", fd, TCSETS, rawTermios(this.#before, keepsOutput));
  }

  /** Gives the terminal back its settings. One that was hung up needs none. */
  [Symbol.dispose](): void {
    try {
      syscall("ioctl", this.#fd, TCSETS, this.#before);
    } catch (error) {
      if (!failedWith(error, "EIO")) throw error;
    }
  }
}

/**
 * The settings with which a terminal neither echoes nor changes anything, and no key is a signal:
 * `cfmakeraw` of termios(3).
 *
 * @param termios The kernel's `struct termios`.
 * @param keepsOutput Whether what is shown may still be changed on its way.
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

/** How large a terminal's window is, of `struct winsize`; zeros where nobody knows. */
export interface WindowSize {
  rows: number;
  columns: number;
  /** In pixels. */
  width: number;
  height: number;
}

/**
 * The size of a terminal's window.
 *
 * @throws {SyscallError}
 */
export function windowSize(fd: number): WindowSize {
  const size = new Uint16Array(4);
  syscall("ioctl", fd, TIOCGWINSZ, new Uint8Array(size.buffer));
  const [rows = 0, columns = 0, width = 0, height = 0] = size;
  return { rows, columns, width, height };
}

/**
 * Says how large a terminal's window is; if that is a change, its programs get SIGWINCH.
 *
 * @throws {SyscallError}
 */
export function setWindowSize(fd: number, { rows, columns, width, height }: WindowSize): void {
  const size = new Uint16Array([rows, columns, width, height]);
  syscall("ioctl", fd, TIOCSWINSZ, new Uint8Array(size.buffer));
}

/** A pair of pseudo-terminals, both of which are closed by exec. */
export interface Pty {
  /** Whoever shows the terminal has this side. It does not wait. */
  master: Fd;
  /** The terminal that programs see. */
  slave: Fd;
  /** The slave's name in its devpts. */
  number: number;
}

/**
 * Makes a pair of pseudo-terminals. No path is looked up but `ptmx`, so the devpts may be one that
 * is mounted nowhere, or in another mount namespace.
 *
 * @param devpts The directory of a devpts.
 * @throws {SyscallError}
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

/** Whether a directory is a devpts: where terminals are, and nothing that somebody else has made. */
export function isDevpts(directory: Fd): boolean {
  return fileSystemType(directory) === DEVPTS_SUPER_MAGIC;
}

/** Makes a terminal the one that the calling process controls: it has to lead a session that has none. */
export function takeTerminal(fd: number, call: Call): void {
  call("ioctl", fd, TIOCSCTTY, 0);
}

/**
 * The process group that a terminal listens to.
 *
 * @returns `undefined` when this is not the terminal that controls this process, or none at all.
 * @throws {SyscallError}
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
