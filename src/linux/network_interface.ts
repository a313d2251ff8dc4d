/**
 * Network interfaces of the namespace that this thread is in: netdevice(7).
 *
 * @module
 */

import type { Bytes } from "./bytes.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { encodeText } from "./text.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;

const SIOCGIFFLAGS = 0x8913;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP = 1;

/**
 * `struct ifreq`: 16 bytes of name with a zero at the end, then a union. The flags are 16 bits of
 * it.
 */
const IFREQ_SIZE = 40;
const IFNAMSIZ = 16;

/** The loopback interface, which every new network namespace has. */
export const LOOPBACK = "lo";

/**
 * Brings an interface up. The kernel then gives the loopback interface its addresses.
 *
 * @throws {SyscallError} `ENODEV` when there is no such interface.
 */
export function setInterfaceUp(name: string): void {
  using socket = openSocket();
  const request = interfaceRequest(name);
  syscall("ioctl", socket.number, SIOCGIFFLAGS, request);
  setFlags(request, getFlags(request) | IFF_UP);
  syscall("ioctl", socket.number, SIOCSIFFLAGS, request);
}

/** Any socket will do: it only tells the kernel which namespace is meant. */
function openSocket(): Fd {
  return new Fd(syscall("socket", AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

function interfaceRequest(name: string): Bytes {
  const request = new Uint8Array(IFREQ_SIZE);
  request.set(encodeText(name).subarray(0, IFNAMSIZ - 1));
  return request;
}

function getFlags(request: Bytes): number {
  return new DataView(request.buffer).getUint16(IFNAMSIZ, true);
}

function setFlags(request: Bytes, flags: number): void {
  new DataView(request.buffer).setUint16(IFNAMSIZ, flags, true);
}
