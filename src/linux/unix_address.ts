/**
 * Addresses of sockets of one machine: unix(7).
 *
 * @module
 */

import { type Bytes, concatenate } from "./bytes.ts";
import { AT_FDCWD, type Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_NOFOLLOW, O_PATH, openAt } from "./open.ts";
import { statFd } from "./stat.ts";
import { encodeText } from "./text.ts";

/** The family of such sockets. */
export const AF_UNIX = 1;

/** The most bytes of a socket's name: `sun_path`. */
const LONGEST_NAME = 108;

/**
 * Gives a socket an address, at which others reach it. A path is looked up twice, so nobody else
 * may change anything there.
 *
 * @param address A path; or, behind `@`, an abstract name, which everyone may write to.
 * @param mode The permission bits, whatever the umask: whoever may write reaches the socket.
 * @throws {SyscallError} `EADDRINUSE` when something is there.
 * @throws {RangeError} when the address is too long.
 */
export function bindSocket(socket: Fd, address: string, mode: number): void {
  const name = socketName(address);
  syscall("bind", socket.number, name, name.length);
  if (!isAbstract(address)) syscall("fchmodat", AT_FDCWD, address, mode);
}

/**
 * Gives a socket a name in a directory that others may change meanwhile.
 *
 * @param mode The permission bits, whatever the umask.
 * @throws {SyscallError} `EADDRINUSE` when something has the name.
 * @throws {Error} when somebody else has put something in its place by now.
 */
export function bindSocketAt(socket: Fd, directory: Fd, name: string, mode: number): void {
  const address = socketName(`/proc/self/fd/${directory.number}/${name}`);
  syscall("bind", socket.number, address, address.length);
  using made = openAt(directory, name, O_PATH | O_NOFOLLOW);
  if (statFd(made).kind !== "other") throw new Error(`${name}: is not the socket that it was`);
  syscall("fchmodat", AT_FDCWD, `/proc/self/fd/${made.number}`, mode);
}

/**
 * Connects a socket with the one that has an address.
 *
 * @param address A path; or, behind `@`, an abstract name.
 * @throws {SyscallError} `ENOENT` when nothing is there, `ECONNREFUSED` when nobody has it open.
 * @throws {RangeError} when the address is too long.
 */
export function connectSocket(socket: Fd, address: string): void {
  const name = socketName(address);
  syscall("connect", socket.number, name, name.length);
}

/**
 * Encodes a `struct sockaddr_un`. An abstract name begins with NUL, and ends with the structure.
 *
 * @throws {RangeError} when the address is too long.
 */
export function socketName(address: string): Bytes {
  const name = encodeText(isAbstract(address) ? `\0${address.slice(1)}` : `${address}\0`);
  if (name.length > LONGEST_NAME) {
    throw new RangeError(`${address}: longer than ${LONGEST_NAME - 1} bytes`);
  }
  return concatenate([new Uint8Array(new Uint16Array([AF_UNIX]).buffer), name]);
}

function isAbstract(address: string): boolean {
  return address.startsWith("@");
}
