/**
 * Connections that carry whole messages between processes of one machine, and descriptors with
 * them: `SOCK_SEQPACKET` and `SCM_RIGHTS` of unix(7).
 *
 * @module
 */

import { asBytes, type Bytes } from "./bytes.ts";
import { failedWith } from "./errno.ts";
import { Fd } from "./fd.ts";
import { type Argument, Structure, syscall } from "./libc.ts";
import { O_CLOEXEC, O_NONBLOCK } from "./open.ts";
import { AF_UNIX, bindSocket, connectSocket } from "./unix_address.ts";

const SOCK_SEQPACKET = 5;
const SHUT_RD = 0;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_SNDTIMEO = 21;
const SCM_RIGHTS = 1;
/** The same as `TIOCOUTQ` of a terminal. */
const SIOCOUTQ = 0x5411;
const MSG_CTRUNC = 0x8;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** Where the kernel writes the length of control data and the flags of a `struct msghdr`. */
const MSGHDR_CONTROL_LENGTH = 40;
const MSGHDR_FLAGS = 48;

/** `struct cmsghdr`: its size, and where it has the level and the type behind the length. */
const CMSGHDR_SIZE = 16;
const CMSGHDR_LEVEL = 8;
const CMSGHDR_TYPE = 12;

/** Room for nothing: of a message that is received so, the kernel throws all away. */
const NOTHING: MessageLimits = { bytes: 0, fds: 0 };

/** The most messages that are thrown away: so many do not fit into a socket. */
const MOST_DROPPED = 1_000;

/** `struct ucred` has three words: the process, the user, the group. */
const UCRED_SIZE = 12;

/** A message, and the descriptors that came with it. They belong to whoever takes it. */
export interface SocketMessage {
  bytes: Bytes;
  fds: Fd[];
}

/** How much a receiver takes at once. */
export interface MessageLimits {
  /** The most bytes of a message. */
  bytes: number;
  /** The most descriptors that come with it. */
  fds: number;
}

/**
 * Makes a socket at which others connect. It never waits.
 *
 * @param path Where nothing is. Nobody else may change anything there.
 * @param mode The permission bits, whatever the umask: whoever may write may connect.
 * @param backlog How many connections may wait to be accepted.
 * @throws {SyscallError} when it cannot be made there.
 * @throws {RangeError} when the path is too long.
 */
export function listenForConnections(path: string, mode: number, backlog: number): Fd {
  return openSocket(O_NONBLOCK, (socket) => {
    bindSocket(socket, path, mode);
    syscall("listen", socket.number, backlog);
  });
}

/**
 * Accepts the next connection.
 *
 * @returns `undefined` when none waits.
 * @throws {SyscallError} `EMFILE` or `ENFILE` when there is no descriptor left.
 */
export function acceptConnection(listener: Fd): Fd | undefined {
  return unlessWaiting(() => new Fd(syscall("accept4", listener.number, null, null, O_CLOEXEC)));
}

/**
 * Connects to where somebody listens.
 *
 * @param patience How many milliseconds it may take until there is room for one more connection.
 * @throws {SyscallError} `ENOENT` when nothing is there, `ECONNREFUSED` when nobody listens,
 * `EAGAIN` when there was no room.
 * @throws {RangeError} when the path is too long.
 */
export function connectToListener(path: string, patience: number): Fd {
  return openSocket(0, (socket) => {
    // To the kernel, 0 means to wait for ever.
    const time = timeval(Math.max(1, Math.ceil(patience)));
    syscall("setsockopt", socket.number, SOL_SOCKET, SO_SNDTIMEO, time, time.length);
    connectSocket(socket, path);
  });
}

/**
 * Returns the user who made the other end of a connection, as this process sees them.
 *
 * @throws {SyscallError} when the descriptor is no socket.
 */
export function peerUser(connection: Fd): number {
  return peerCredentials(connection)[1]!;
}

/**
 * Returns the process that made the other end of a connection, or listened for it.
 *
 * @throws {SyscallError} when the descriptor is no socket.
 */
export function peerProcess(connection: Fd): number {
  return peerCredentials(connection)[0]!;
}

function peerCredentials({ number }: Fd): Int32Array {
  const credentials = new Int32Array(UCRED_SIZE / 4);
  const size = asBytes(Uint32Array.of(UCRED_SIZE));
  syscall("getsockopt", number, SOL_SOCKET, SO_PEERCRED, asBytes(credentials), size);
  return credentials;
}

/**
 * Sends a message as a whole, and never waits.
 *
 * @param fds Descriptors that the receiver gets as well.
 * @returns Whether it was sent. If not, the other side has not taken earlier ones.
 * @throws {SyscallError} `EPIPE` or `ECONNRESET` when the other side is closed, `EMSGSIZE` when
 * the message is too long for the kernel.
 */
export function sendMessage(connection: Fd, bytes: Bytes, fds: readonly Fd[] = []): boolean {
  const control = fds.length > 0 ? controlDataOf(fds) : null;
  const message = header(bytes, control);
  const send = () => syscall("sendmsg", connection.number, message, MSG_DONTWAIT | MSG_NOSIGNAL);
  return unlessWaiting(send) !== undefined;
}

/**
 * Tells whether the other side has taken all messages that were sent to it: `SIOCOUTQ`.
 *
 * @throws {SyscallError} when the descriptor is no socket.
 */
export function hasTakenAll(connection: Fd): boolean {
  const waiting = new Int32Array(1);
  syscall("ioctl", connection.number, SIOCOUTQ, asBytes(waiting));
  return waiting[0] === 0;
}

/** One buffer for all messages: few are as long as they may be. */
let scratch: Bytes = new Uint8Array(0);

/**
 * Takes the next message, and never waits. Its descriptors are closed at execve(2).
 *
 * @returns `undefined` when there is none; `"end"` when the other side is closed; `"too much"` for
 * a message beyond the limits, or with more descriptors than this process can have. It is lost
 * then, and its descriptors are closed.
 * @throws {SyscallError} when the descriptor is no socket.
 */
export function receiveMessage(
  connection: Fd,
  limits: MessageLimits,
): SocketMessage | "end" | "too much" | undefined {
  if (limits.bytes > scratch.length) scratch = new Uint8Array(limits.bytes);
  const bytes = scratch.subarray(0, limits.bytes);
  const control = new Uint8Array(controlSize(limits.fds));
  const message = new Structure(header(bytes, control));
  const flags = MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
  const length = unlessWaiting(() => receive(connection, message, flags));
  if (length === undefined) return undefined;
  const view = new DataView(message.bytes.buffer);
  const fds = descriptorsIn(control.subarray(0, view.getUint32(MSGHDR_CONTROL_LENGTH, true)));
  const isCut = (view.getUint32(MSGHDR_FLAGS, true) & (MSG_TRUNC | MSG_CTRUNC)) !== 0;
  // The room for descriptors is rounded up to whole words.
  const isTooMuch = isCut || fds.length > limits.fds;
  if (length > 0 && !isTooMuch) return { bytes: bytes.slice(0, length), fds };
  closeAll(fds);
  return isTooMuch ? "too much" : "end";
}

/**
 * Closes a connection so that the other side can still take what it was sent. The kernel would
 * throw that away if something that the other side has sent were left here: so it is taken first.
 *
 * @throws {SyscallError} when the descriptor is no socket.
 */
export function closeConnection(connection: Fd): void {
  syscall("shutdown", connection.number, SHUT_RD);
  for (let count = 0; count < MOST_DROPPED; count++) {
    const dropped = receiveMessage(connection, NOTHING);
    if (dropped === undefined || dropped === "end") break;
  }
  connection[Symbol.dispose]();
}

/** Closes descriptors. */
export function closeAll(fds: Iterable<Fd>): void {
  for (const fd of fds) fd[Symbol.dispose]();
}

/** @returns 0 at the end, also when the other side has not taken everything. */
function receive(connection: Fd, message: Structure, flags: number): number {
  try {
    return syscall("recvmsg", connection.number, message, flags);
  } catch (error) {
    if (!failedWith(error, "ECONNRESET")) throw error;
    return 0;
  }
}

/** A `struct msghdr`: no address, the data, the control data, and flags. */
function header(bytes: Bytes, control: Bytes | null): Argument[] {
  return [null, 0, [bytes, bytes.length], 1, control, control?.length ?? 0, 0];
}

function controlSize(count: number): number {
  return CMSGHDR_SIZE + Math.ceil(count / 2) * 8;
}

function controlDataOf(fds: readonly Fd[]): Bytes {
  const control = new Uint8Array(controlSize(fds.length));
  const view = new DataView(control.buffer);
  view.setBigUint64(0, BigInt(CMSGHDR_SIZE + 4 * fds.length), true);
  view.setInt32(CMSGHDR_LEVEL, SOL_SOCKET, true);
  view.setInt32(CMSGHDR_TYPE, SCM_RIGHTS, true);
  fds.forEach(({ number }, i) => view.setInt32(CMSGHDR_SIZE + 4 * i, number, true));
  return control;
}

/** Of a socket that asks for nothing else, the control data are descriptors alone. */
function descriptorsIn(control: Bytes): Fd[] {
  if (control.length < CMSGHDR_SIZE) return [];
  const view = new DataView(control.buffer, control.byteOffset, control.length);
  const isRights = view.getInt32(CMSGHDR_LEVEL, true) === SOL_SOCKET &&
    view.getInt32(CMSGHDR_TYPE, true) === SCM_RIGHTS;
  const count = isRights ? (Number(view.getBigUint64(0, true)) - CMSGHDR_SIZE) / 4 : 0;
  return Array.from(
    { length: count },
    (_, i) => new Fd(view.getInt32(CMSGHDR_SIZE + 4 * i, true)),
  );
}

/** `struct timeval`: seconds, and microseconds. */
function timeval(milliseconds: number): Bytes {
  const [seconds, rest] = [Math.floor(milliseconds / 1000), milliseconds % 1000];
  return asBytes(new BigUint64Array([BigInt(seconds), BigInt(rest * 1000)]));
}

/** Returns `undefined` where a call would have to wait, or was interrupted. */
function unlessWaiting<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (failedWith(error, "EAGAIN", "EINTR")) return undefined;
    throw error;
  }
}

/** Opens a socket, and closes it again if it cannot be prepared. */
function openSocket(flags: number, prepare: (socket: Fd) => void): Fd {
  const socket = new Fd(syscall("socket", AF_UNIX, SOCK_SEQPACKET | O_CLOEXEC | flags, 0));
  try {
    prepare(socket);
    return socket;
  } catch (error) {
    socket[Symbol.dispose]();
    throw error;
  }
}
