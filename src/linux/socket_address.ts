/**
 * Addresses of sockets, and whether a process of the host has one: bind(2), ip(7), ipv6(7).
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_TYPES = { tcp: 1, udp: 2 } as const;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_TYPE = 3;
const SO_ACCEPTCONN = 30;

/** `struct sockaddr_in`: its size, and where it has the port and the address. */
const SOCKADDR_SIZE = 16;
const SIN_PORT = 2;
const SIN_ADDR = 4;

/** Enough for a `struct sockaddr_in6`, which has the port in the same place. */
const LARGEST_ADDRESS = 28;

/**
 * Tells whether a process has a port of the thread's network namespace, by trying to take it for a
 * moment. A TCP port that waits for the end of connections counts as free, as for a server that is
 * started again.
 *
 * @param address An IPv4 address of the host; `0.0.0.0` for all.
 * @returns `undefined` where the kernel cannot tell: the address is not the host's, or this process
 * may not have the port.
 * @throws {SyscallError} when there is no descriptor left.
 */
export function isPortTaken(
  protocol: keyof typeof SOCK_TYPES,
  address: string,
  port: number,
): boolean | undefined {
  using socket = new Fd(syscall("socket", AF_INET, SOCK_TYPES[protocol] | SOCK_CLOEXEC, 0));
  if (protocol === "tcp") {
    const on = asBytes(Int32Array.of(1));
    syscall("setsockopt", socket.number, SOL_SOCKET, SO_REUSEADDR, on, on.length);
  }
  try {
    syscall("bind", socket.number, encodeAddress(address, port), SOCKADDR_SIZE);
    return false;
  } catch (error) {
    if (failedWith(error, "EADDRINUSE")) return true;
    if (failedWith(error, "EADDRNOTAVAIL", "EACCES", "EPERM")) return undefined;
    throw error;
  }
}

function encodeAddress(address: string, port: number): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(SOCKADDR_SIZE));
  view.setUint16(0, AF_INET, true);
  view.setUint16(SIN_PORT, port);
  address.split(".").forEach((part, i) => view.setUint8(SIN_ADDR + i, Number(part)));
  return new Uint8Array(view.buffer);
}

/**
 * Returns the port that a socket receives at.
 *
 * @param fd Any descriptor.
 * @returns `undefined` for anything but a TCP socket that listens, or a UDP socket that is bound.
 * @throws {SyscallError} `EBADF` when it is not open.
 */
export function boundPort(fd: number): { protocol: "tcp" | "udp"; number: number } | undefined {
  const type = option(fd, SO_TYPE);
  const isListening = type === SOCK_TYPES.tcp && option(fd, SO_ACCEPTCONN) === 1;
  if (!isListening && type !== SOCK_TYPES.udp) return undefined;
  const address = new Uint8Array(LARGEST_ADDRESS);
  syscall("getsockname", fd, address, asBytes(Uint32Array.of(address.length)));
  const view = new DataView(address.buffer);
  if (![AF_INET, AF_INET6].includes(view.getUint16(0, true))) return undefined;
  const number = view.getUint16(SIN_PORT);
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
