/**
 * Datagrams between processes of one machine: unix(7).
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { ERRNO, failedWith, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { Structure, syscall } from "./libc.ts";
import { O_CLOEXEC, O_NONBLOCK } from "./open.ts";
import { pathOf } from "./path.ts";
import { POLLOUT, waitForEvents } from "./poll.ts";
import { AF_UNIX, bindSocket, connectSocket, socketName } from "./unix_address.ts";

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_PASSCRED = 16;
const SCM_CREDENTIALS = 2;
const MSG_PEEK = 0x2;
const MSG_CTRUNC = 0x8;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SHUT_RD = 0;

/** `struct msghdr`: its size, and where the kernel writes flags. Empty, it receives nothing. */
const MSGHDR_SIZE = 56;
const MSGHDR_FLAGS = 48;

/** To send, it takes the permission to write. */
const MODE = 0o666;

/** A `struct cmsghdr`, of 16 bytes, and a `struct ucred`, filled up to whole words. */
const CONTROL_SIZE = 32;
const CREDENTIALS_AT = 16;

/** A `struct cmsghdr` with a file or two, in whole words. Its length is its first word. */
const FILES_SIZE = 24;
const FILES_AT = CONTROL_SIZE;
const HEADER_SIZE = 16;

/** A datagram, and who sent it. */
export interface Datagram {
  bytes: Bytes;
  /** The sender, as this process sees it; 0 if that is a process which it does not see. */
  pid: number;
}

/**
 * Makes a socket, which never waits.
 *
 * @throws {SyscallError} when there is no descriptor left.
 */
export function makeDatagramSocket(): Fd {
  return new Fd(syscall("socket", AF_UNIX, SOCK_DGRAM | O_CLOEXEC | O_NONBLOCK, 0));
}

/**
 * Sends a datagram.
 *
 * @param path Where to; without it, to the socket that it is connected with.
 * @returns Whether it was sent. If not, the other socket is full.
 * @throws {SyscallError} `ECONNREFUSED` or `ENOTCONN` when nobody has the other one open.
 */
export function sendDatagram(socket: Fd, bytes: Bytes, path?: string): boolean {
  const address = path === undefined ? null : socketName(path);
  try {
    const { number } = socket;
    syscall("sendto", number, bytes, bytes.length, MSG_NOSIGNAL, address, address?.length ?? 0);
    return true;
  } catch (error) {
    if (failedWith(error, "EAGAIN", "EINTR")) return false;
    throw error;
  }
}

/**
 * Makes a socket that sends to an address, and never waits. It can be waited for until the receiver
 * takes more.
 *
 * @param address A path; or, behind `@`, an abstract name.
 * @throws {SyscallError} `ENOENT` when nothing is there, `ECONNREFUSED` when nobody has it open.
 * @throws {RangeError} when the address is too long.
 */
export function connectDatagrams(address: string): Fd {
  return prepared((fd) => connectSocket(fd, address));
}

/**
 * Makes a socket that receives at an address, never waits, and is told who has sent what. Whoever
 * gets to the address may send.
 *
 * @param address A path at which nothing is; or, behind `@`, an abstract name.
 * @throws {SyscallError} when it cannot be made there.
 */
export function receiveDatagrams(address: string): Fd {
  return prepared((fd) => {
    const yes = asBytes(Int32Array.of(1));
    syscall("setsockopt", fd.number, SOL_SOCKET, SO_PASSCRED, yes, yes.length);
    bindSocket(fd, address, MODE);
  });
}

/**
 * Sends a datagram by a connected socket.
 *
 * @param patience How many milliseconds there may pass until the receiver has room for it.
 * @throws {SyscallError} when it cannot be sent; `EAGAIN` when there is no room.
 */
export function sendByConnected(fd: Fd, bytes: Bytes, patience: number): void {
  waitForEvents([{ fd: fd.number, events: POLLOUT }], patience);
  if (!sendDatagram(fd, bytes)) throw new SyscallError("sendto", [], ERRNO.EAGAIN);
}

/**
 * Takes the next datagram, of a socket that is told who has sent what. Pipes that come with it are
 * closed, two at the most: sd_notify_barrier(3) waits for that.
 *
 * A datagram with other files stays where it is. Whoever takes it closes them, and who closes a
 * connection last may have to wait as long as its owner wants: `SO_LINGER` of socket(7).
 *
 * @param limit The most bytes. Of a longer datagram, the rest is lost.
 * @returns `undefined` when there is none; `"files"` when it has files that are no pipes.
 * @throws {SyscallError} when the socket cannot be read.
 */
export function takeDatagram(fd: Fd, limit: number): Datagram | "files" | undefined {
  const seen = receive(fd, 0, CONTROL_SIZE + FILES_SIZE, MSG_PEEK | MSG_CMSG_CLOEXEC);
  if (seen === undefined) return undefined;
  // Those that are no pipes stay open, as closing one could take as long.
  const others = filesOf(seen.control).filter((file) => !closeIfPipe(file));
  if (others.length > 0 || seen.isCut) return "files";
  // With room for nothing else, the kernel drops what is not the sender's credentials.
  const taken = receive(fd, limit, CONTROL_SIZE, 0);
  return taken && { bytes: taken.bytes, pid: senderOf(taken.control) };
}

/** @returns `undefined` when there is none; `isCut` tells that control data had no room. */
function receive(
  fd: Fd,
  limit: number,
  controlSize: number,
  flags: number,
): { bytes: Bytes; control: Bytes; isCut: boolean } | undefined {
  const bytes = new Uint8Array(limit);
  const control = new Uint8Array(controlSize);
  // A `struct msghdr`: no address, the data, the control data, and flags.
  const message = new Structure([null, 0, [bytes, limit], 1, control, controlSize, 0]);
  try {
    const length = syscall("recvmsg", fd.number, message, flags);
    const written = new DataView(message.bytes.buffer).getUint32(MSGHDR_FLAGS, true);
    return { bytes: bytes.slice(0, length), control, isCut: (written & MSG_CTRUNC) !== 0 };
  } catch (error) {
    if (failedWith(error, "EAGAIN", "EINTR")) return undefined;
    throw error;
  }
}

/** Lists the files behind the credentials. */
function filesOf(control: Bytes): Fd[] {
  const view = new DataView(control.buffer);
  const count = Math.max(0, Number(view.getBigUint64(FILES_AT, true)) - HEADER_SIZE) / 4;
  return Array.from(
    { length: count },
    (_, i) => new Fd(view.getInt32(FILES_AT + HEADER_SIZE + 4 * i, true)),
  );
}

/** The text of its link tells a pipe, and asks nobody: a path begins with a slash. */
function closeIfPipe(file: Fd): boolean {
  const isPipe = pathOf(file).startsWith("pipe:[");
  if (isPipe) file[Symbol.dispose]();
  return isPipe;
}

/**
 * Tells whether the next datagram has files attached, and leaves both where they are. The socket is
 * not to be one that is told who has sent what.
 *
 * @returns `undefined` when there is no datagram.
 */
export function hasFilesAttached(socket: Fd): boolean | undefined {
  const header = new Uint8Array(MSGHDR_SIZE);
  try {
    syscall("recvmsg", socket.number, header, MSG_PEEK);
  } catch (error) {
    if (failedWith(error, "EAGAIN", "EINTR")) return undefined;
    throw error;
  }
  // There was something besides the text for which the header has no room.
  return (new DataView(header.buffer).getUint32(MSGHDR_FLAGS, true) & MSG_CTRUNC) !== 0;
}

/** Has the kernel refuse, with `EPIPE`, what is sent to a socket from now on. */
export function refuseDatagrams(socket: Fd): void {
  syscall("shutdown", socket.number, SHUT_RD);
}

function senderOf(control: Bytes): number {
  const view = new DataView(control.buffer);
  const [level, type] = [view.getInt32(8, true), view.getInt32(12, true)];
  if (level !== SOL_SOCKET || type !== SCM_CREDENTIALS) return 0;
  return view.getInt32(CREDENTIALS_AT, true);
}

function prepared(prepare: (fd: Fd) => void): Fd {
  const fd = makeDatagramSocket();
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    fd[Symbol.dispose]();
    throw error;
  }
}
