/**
 * Sockets of datagrams with paths: unix(7). None here waits.
 *
 * @module
 */

import { type Bytes, concatenate } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { AT_FDCWD, Fd } from "./fd.ts";
import { cString, syscall } from "./libc.ts";
import { O_CLOEXEC, O_NONBLOCK } from "./open.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_NOSIGNAL = 0x4000;

/**
 * Makes a socket.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function makeDatagramSocket(): Fd {
  return new Fd(syscall("socket", AF_UNIX, SOCK_DGRAM | O_CLOEXEC | O_NONBLOCK, 0));
}

/**
 * Gives a socket a path, at which others reach it. The path is looked up twice, so nobody else may
 * change anything there.
 *
 * @param path At most 107 bytes.
 * @param mode The permission bits, whatever the umask: whoever may write reaches the socket.
 * @throws {SyscallError} `EADDRINUSE` when something is there; `EINVAL` when it is too long.
 */
export function bindSocket(socket: Fd, path: string, mode: number): void {
  const address = addressOf(path);
  syscall("bind", socket.number, address, address.length);
  syscall("fchmodat", AT_FDCWD, path, mode);
}

/**
 * Has a socket send to the one at a path. Then it can be waited for until that one takes more.
 *
 * @param path At most 107 bytes.
 * @throws {SyscallError} `ENOENT` when nothing is there, `ECONNREFUSED` when nobody has it open.
 */
export function connectSocket(socket: Fd, path: string): void {
  const address = addressOf(path);
  syscall("connect", socket.number, address, address.length);
}

/**
 * Sends a datagram.
 *
 * @param path Where to; without it, to the socket that it is connected with.
 * @returns Whether it was sent. If not, the other socket is full.
 * @throws {SyscallError} `ECONNREFUSED` or `ENOTCONN` when nobody has the other one open.
 */
export function sendDatagram(socket: Fd, bytes: Bytes, path?: string): boolean {
  const address = path === undefined ? null : addressOf(path);
  try {
    const { number } = socket;
    syscall("sendto", number, bytes, bytes.length, MSG_NOSIGNAL, address, address?.length ?? 0);
    return true;
  } catch (error) {
    if (failedWith(error, "EAGAIN", "EINTR")) return false;
    throw error;
  }
}

/** `struct sockaddr_un`: two bytes of family, and the path. */
function addressOf(path: string): Bytes {
  return concatenate([Uint8Array.of(AF_UNIX, 0), cString(path)]);
}
