/**
 * What a socket is, and where it is bound: socket(7), ip(7), ipv6(7).
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { syscall } from "./libc.ts";

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const AF_INET = 2;
const AF_INET6 = 10;

/** Enough for a `struct sockaddr_in6`. Both families have the port behind the family. */
const ADDRESS_SIZE = 28;

/**
 * Returns the port that a socket receives at.
 *
 * @param fd Any descriptor.
 * @returns `undefined` for anything but a TCP socket that listens, or a UDP socket that is bound.
 * @throws {SyscallError} `EBADF` when it is not open.
 */
export function boundPort(fd: number): { protocol: "tcp" | "udp"; number: number } | undefined {
  const type = option(fd, SO_TYPE);
  const isListening = type === SOCK_STREAM && option(fd, SO_ACCEPTCONN) === 1;
  if (!isListening && type !== SOCK_DGRAM) return undefined;
  const address = new Uint8Array(ADDRESS_SIZE);
  syscall("getsockname", fd, address, asBytes(Uint32Array.of(address.length)));
  const view = new DataView(address.buffer);
  if (![AF_INET, AF_INET6].includes(view.getUint16(0, true))) return undefined;
  const number = view.getUint16(2);
  return number === 0 ? undefined : { protocol: isListening ? "tcp" : "udp", number };
}

/** Returns an option of a socket; `undefined` if the descriptor is none. */
function option(fd: number, name: number): number | undefined {
  const value = new Int32Array(1);
  try {
    syscall("getsockopt", fd, SOL_SOCKET, name, asBytes(value), asBytes(Uint32Array.of(4)));
    return value[0];
  } catch (error) {
    if (failedWith(error, "ENOTSOCK")) return undefined;
    throw error;
  }
}
