/**
 * Waiting for events of many descriptors at once: ppoll(2). A process that is held by its
 * descriptor is one of them: the descriptor is readable once the process has ended (pidfd_open(2)).
 *
 * @module
 */

import { asBytes } from "./bytes.ts";
import type { CallScript } from "./call_script.ts";
import { ERRNO, failedWith, SyscallError } from "./errno.ts";
import { syscall } from "./libc.ts";

/** Events that can be waited for, of `struct pollfd`. */
export const POLLIN = 0x1;
export const POLLPRI = 0x2;
export const POLLOUT = 0x4;
/** The event of a descriptor that is not open. */
const POLLNVAL = 0x20;

/** `struct pollfd`: 4 bytes descriptor, 2 bytes events to wait for, 2 bytes events that came. */
const POLLFD_SIZE = 8;

/** A descriptor, and events to wait for or that have come: bits such as {@linkcode POLLIN}. */
export interface PollEvents {
  fd: number;
  events: number;
}

/**
 * Waits until one of the descriptors has one of the events that are asked of it, an error or a
 * hang-up.
 *
 * A descriptor whose error or hang-up is known, and not of interest, must not be in the list: the
 * call would return at once.
 *
 * @param timeout The most milliseconds to wait. Without it, the call waits for ever.
 * @returns The descriptors that have events; none when the time is over, or after an interruption.
 * @throws {SyscallError} `EBADF` when one of them is not open.
 *
 * @example
 * ```ts ignore
 * for (const { fd, events } of waitForEvents([{ fd: 0, events: POLLIN }], 1000)) read(fd, events);
 * ```
 */
export function waitForEvents(interests: readonly PollEvents[], timeout?: number): PollEvents[] {
  const records = encodePollFds(interests);
  try {
    syscall("ppoll", new Uint8Array(records.buffer), interests.length, timespec(timeout), null, 0);
  } catch (error) {
    if (failedWith(error, "EINTR")) return [];
    throw error;
  }
  const ready = decodePollFds(records);
  const closed = ready.find(({ events }) => (events & POLLNVAL) !== 0);
  if (closed) throw new SyscallError("ppoll", [`descriptor ${closed.fd}`], ERRNO.EBADF);
  return ready;
}

/**
 * Records that a process waits until one of some descriptors has one of its events, an error or a
 * hang-up.
 */
export function recordWaitFor(interests: readonly PollEvents[], { call }: CallScript): void {
  const records = new Uint8Array(encodePollFds(interests).buffer);
  call("ppoll", records, interests.length, null, null, 0);
}

function encodePollFds(interests: readonly PollEvents[]): DataView<ArrayBuffer> {
  const records = new DataView(new ArrayBuffer(interests.length * POLLFD_SIZE));
  interests.forEach(({ fd, events }, i) => {
    records.setInt32(i * POLLFD_SIZE, fd, true);
    records.setInt16(i * POLLFD_SIZE + 4, events, true);
  });
  return records;
}

function decodePollFds(records: DataView): PollEvents[] {
  const ready: PollEvents[] = [];
  for (let at = 0; at < records.byteLength; at += POLLFD_SIZE) {
    const events = records.getInt16(at + 6, true);
    if (events !== 0) ready.push({ fd: records.getInt32(at, true), events });
  }
  return ready;
}

/** `struct timespec`, or null, which means for ever. */
function timespec(milliseconds: number | undefined) {
  if (milliseconds === undefined) return null;
  const whole = Math.max(0, Math.ceil(milliseconds));
  return asBytes(
    new BigUint64Array([BigInt(Math.floor(whole / 1000)), BigInt((whole % 1000) * 1_000_000)]),
  );
}
