/**
 * Reading and writing pipes, sockets and terminals without ever waiting for the other side.
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_WRONLY, openFile } from "./open.ts";
import { makePipe, type Pipe } from "./pipe.ts";
import { POLLOUT, waitForEvents } from "./poll.ts";
import { statFd } from "./stat.ts";

const FIONREAD = 0x541b;
const F_GETFL = 3;
const F_SETFL = 4;

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SHUT_WR = 1;
/** Flags of recvfrom(2): leave what is read where it is, and do not wait. */
export const MSG_PEEK = 0x2;
export const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** How many bytes a pipe that can be written to takes at once, and as a whole: pipe(7). */
const PIPE_BUF = 4096;

/**
 * Makes a pipe whose read end does not wait. Its write end waits when the pipe is full, as programs
 * expect.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function makeOutputPipe(): Pipe {
  const pipe = makePipe();
  doNotWait(pipe.readEnd);
  return pipe;
}

/**
 * Makes a pair of connected sockets with `SOCK_CLOEXEC`: socketpair(2). A socket, unlike a pipe,
 * cannot be opened again by its path in /proc.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function makeSocketPair(): [Fd, Fd] {
  const ends = new Int32Array(2);
  syscall("socketpair", AF_UNIX, SOCK_STREAM | O_CLOEXEC, 0, asBytes(ends));
  return [new Fd(ends[0]!), new Fd(ends[1]!)];
}

/**
 * Has the other end of a socket find the end of what it reads: shutdown(2). What it writes can
 * still be read here.
 *
 * @throws {SyscallError} when the descriptor is no socket.
 */
export function endInput(socket: Fd): void {
  syscall("shutdown", socket.number, SHUT_WR);
}

/**
 * Makes a pipe whose write end does not wait. Its read end waits when the pipe is empty, as
 * programs expect.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function makeInputPipe(): Pipe {
  const pipe = makePipe();
  doNotWait(pipe.writeEnd);
  return pipe;
}

/**
 * Has nobody wait who reads or writes an open file, whichever of its descriptors they use.
 *
 * @throws {SyscallError} `EBADF` when it is not open.
 */
export function doNotWait(fd: Fd): void {
  const flags = syscall("fcntl", fd.number, F_GETFL, 0);
  syscall("fcntl", fd.number, F_SETFL, flags | O_NONBLOCK);
}

/** One buffer for all reads: a new one for each read would be much garbage for a busy app. */
let scratch: Bytes = new Uint8Array(0);

/**
 * Reads what can be read now.
 *
 * @param fd A descriptor that does not wait, or that is known to be readable.
 * @param limit The most bytes.
 * @returns No bytes at the end of the stream, `undefined` when there is nothing yet.
 * @throws {SyscallError} when the descriptor cannot be read.
 */
export function readAvailable(fd: number, limit: number): Bytes | undefined {
  if (limit > scratch.length) scratch = new Uint8Array(limit);
  const buffer = scratch.subarray(0, limit);
  try {
    return buffer.slice(0, syscall("read", fd, buffer, limit));
  } catch (error) {
    if (failedWith(error, "EAGAIN", "EINTR")) return undefined;
    // A terminal whose other side is gone.
    if (failedWith(error, "EIO")) return new Uint8Array(0);
    throw error;
  }
}

/**
 * Counts the bytes that can be read now.
 *
 * @throws {SyscallError} when the descriptor is of a kind that cannot tell.
 */
export function bytesAvailable(fd: Fd): number {
  const count = new Int32Array(1);
  syscall("ioctl", fd.number, FIONREAD, asBytes(count));
  return count[0]!;
}

/**
 * Writes what can be written now.
 *
 * @param fd A descriptor that does not wait.
 * @returns How many bytes were written.
 * @throws {SyscallError} `EPIPE` when nobody reads any more.
 */
export function writeAvailable(fd: number, bytes: Bytes): number {
  return orNothing(() => syscall("write", fd, bytes, bytes.length));
}

/** An end of a stream that somebody else opened, and also uses. */
export interface Shared extends Disposable {
  /** The descriptor whose events can be waited for. */
  fd: number;
}

/** An end that is read from. */
export interface SharedInput extends Shared {
  /** Reads as {@linkcode readAvailable} does. */
  read(limit: number): Bytes | undefined;
}

/** An end that is written to. */
export interface SharedOutput extends Shared {
  /** Writes as {@linkcode writeAvailable} does. */
  write(bytes: Bytes): number;
}

/**
 * Opens a stream that another process shares with this one, to read from it without waiting.
 *
 * Whether a descriptor waits is a property of the open file, so changing it would change it for
 * everybody. A pipe or terminal is opened a second time instead.
 *
 * @throws {SyscallError} when the descriptor is not open, or cannot be opened again for an unknown
 * reason.
 */
export function openSharedInput(fd: number): SharedInput {
  const own = reopen(fd, O_RDONLY);
  const read = (limit: number) => readAvailable(own?.number ?? fd, limit);
  return { fd: own?.number ?? fd, read, [Symbol.dispose]: () => own?.[Symbol.dispose]() };
}

/**
 * Opens a stream that another process shares with this one, to write to it without waiting, as
 * {@linkcode openSharedInput} does for reading.
 *
 * @throws {SyscallError} when the descriptor is not open, or cannot be opened again for an unknown
 * reason.
 */
export function openSharedOutput(fd: number): SharedOutput {
  const own = reopen(fd, O_WRONLY);
  if (own) {
    const write = (bytes: Bytes) => writeAvailable(own.number, bytes);
    return { fd: own.number, write, [Symbol.dispose]: () => own[Symbol.dispose]() };
  }
  return { fd, write: (bytes) => writeShared(fd, bytes), [Symbol.dispose]: () => {} };
}

/** Regular files never wait, and a second open file would begin at their start. */
function reopen(fd: number, flags: number): Fd | undefined {
  if (statFd(fd).kind !== "other") return undefined;
  try {
    return openFile(`/proc/self/fd/${fd}`, flags | O_NONBLOCK | O_NOCTTY);
  } catch (error) {
    // A socket, a pipe without a reader, or one that this process may not open.
    if (failedWith(error, "ENXIO", "EIO", "EACCES", "EPERM", "ENOENT")) return undefined;
    throw error;
  }
}

/**
 * Writes to a descriptor that may wait, as much as can be written without waiting.
 *
 * @returns How many bytes were written.
 * @throws {SyscallError} `EPIPE` when nobody reads any more.
 */
export function writeShared(fd: number, bytes: Bytes): number {
  try {
    return orNothing(() => {
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      return syscall("sendto", fd, bytes, bytes.length, flags, null, 0);
    });
  } catch (error) {
    if (failedWith(error, "ENOTSOCK")) return writeWhenRoom(fd, bytes);
    throw error;
  }
}

function writeWhenRoom(fd: number, bytes: Bytes): number {
  if (waitForEvents([{ fd, events: POLLOUT }], 0).length === 0) return 0;
  const most = bytes.subarray(0, PIPE_BUF);
  return syscall("write", fd, most, most.length);
}

function orNothing(write: () => number): number {
  try {
    return write();
  } catch (error) {
    if (failedWith(error, "EAGAIN", "EINTR")) return 0;
    throw error;
  }
}
