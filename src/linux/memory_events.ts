/**
 * What the kernel tells of a cgroup that has too little memory: how many processes it has killed,
 * and whether a limit was reached. See the kernel's `admin-guide/cgroup-v2.rst`, "memory.events",
 * and `admin-guide/cgroup-v1/memory.rst`, "OOM Control".
 *
 * The files stay open, so that a process without privileges can read them.
 *
 * @module
 */

import { failedWith, SyscallError } from "./errno.ts";
import { Fd } from "./fd.ts";
import { syscall } from "./libc.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDONLY, O_WRONLY, openAt } from "./open.ts";
import { type PollEvents, POLLIN, POLLPRI } from "./poll.ts";
import { readAt, writeText } from "./read_write.ts";
import { readAvailable } from "./stream.ts";
import { decodeText } from "./text.ts";

/** More bytes than one of these files has. */
const LONGEST = 4096;

/** In version 1, memory is charged in pieces of at most so many bytes. */
const CHARGE = 256 * 1024;

/** The size of what an eventfd is read by: eventfd(2). */
const COUNTER_SIZE = 8;

/** The kills of a cgroup's processes for memory, whoever's limit that is for. */
export interface MemoryKills extends Disposable {
  /** The event that comes when there may be more of them, where the kernel has one. */
  interest: PollEvents | undefined;
  /** Takes the event, and returns how many there have been since the cgroup was made. */
  count(): number;
}

/** What tells whether a cgroup's own limit of memory was reached. */
export interface MemoryLimit extends Disposable {
  isReached(): boolean;
}

/**
 * Opens the count of a cgroup's kills. In version 2 those of all cgroups below it are counted, too.
 *
 * @returns `undefined` where nothing is counted: the cgroup has no memory controller, or the kernel
 *   is built without events.
 * @throws {SyscallError} when the kernel refuses for another reason.
 */
export function openMemoryKills(cgroup: Fd, version: 1 | 2): MemoryKills | undefined {
  const file = openIfThere(cgroup, version === 1 ? "memory.oom_control" : "memory.events");
  if (file === undefined) return undefined;
  const count = () => numberIn(file, "oom_kill");
  if (version === 1) {
    const event = notifyBy(cgroup, file);
    if (event === undefined) return { interest: undefined, count, ...closing(file) };
    return {
      interest: { fd: event.number, events: POLLIN },
      count() {
        readAvailable(event.number, COUNTER_SIZE);
        return count();
      },
      ...closing(file, event),
    };
  }
  // The file has an event from the beginning on, which is over when it has been read.
  count();
  return { interest: { fd: file.number, events: POLLPRI }, count, ...closing(file) };
}

/**
 * Opens what tells whether a cgroup's own limit of memory was reached.
 *
 * In version 2, that is whether it led to a kill since the last call. Version 1 tells only whether
 * as much as the limit was ever used: newer kernels do not count how often.
 *
 * @throws {SyscallError} when the kernel refuses for another reason than that it has no such file.
 */
export function openMemoryLimit(cgroup: Fd, version: 1 | 2): MemoryLimit {
  const open = (name: string) => openIfThere(cgroup, name);
  if (version === 1) {
    const [most, limit] = [open("memory.max_usage_in_bytes"), open("memory.limit_in_bytes")];
    const isReached = () =>
      most !== undefined && limit !== undefined &&
      Number(textOf(most)) > Number(textOf(limit)) - CHARGE;
    return { isReached, ...closing(most, limit) };
  }
  const file = open("memory.events.local");
  let before = 0;
  return {
    isReached() {
      const count = file ? numberIn(file, "oom") : 0;
      const isMore = count > before;
      before = count;
      return isMore;
    },
    ...closing(file),
  };
}

function closing(...fds: (Fd | undefined)[]): Disposable {
  return { [Symbol.dispose]: () => fds.forEach((fd) => fd?.[Symbol.dispose]()) };
}

/**
 * Has version 1 tell of a shortage, which comes a moment before the kill.
 *
 * @param file The cgroup's open `memory.oom_control`.
 * @returns `undefined` where the kernel has no such events, which are to go.
 */
function notifyBy(cgroup: Fd, file: Fd): Fd | undefined {
  try {
    using control = openAt(cgroup, "cgroup.event_control", O_WRONLY);
    const event = new Fd(syscall("eventfd2", 0, O_CLOEXEC | O_NONBLOCK));
    writeText(control, `${event.number} ${file.number}`);
    return event;
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

function openIfThere(cgroup: Fd, name: string): Fd | undefined {
  try {
    return openAt(cgroup, name, O_RDONLY);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Reads a number from lines of names and numbers; 0 where an older kernel has no such line. */
function numberIn(file: Fd, name: string): number {
  const line = textOf(file).split("\n").find((line) => line.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** A cgroup that is gone has no more events, and its files cannot be read. */
function textOf(file: Fd): string {
  try {
    return decodeText(readAt(file, 0, LONGEST));
  } catch (error) {
    if (error instanceof SyscallError) return "0";
    throw error;
  }
}
