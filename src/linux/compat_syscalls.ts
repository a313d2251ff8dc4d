/**
 * What the names of 64-bit system calls mean to a 32-bit program: which calls do the same there.
 *
 * 32-bit architectures have several calls where 64-bit ones have one: with wider numbers of users,
 * offsets or times, older ones, and calls that do what their first argument says. A filter that
 * names a call means all of them.
 *
 * @module
 */

import type { CompatArchitecture } from "./syscall_numbers.ts";

/** The ends of names of the same call with wider offsets or times, the longest first. */
const WIDER = ["_time64", "_64", "64"];

/** The only name with such an end that 64-bit architectures have beside the one without it. */
const CALL_OF_ITS_OWN = "getdents64";

/** Calls that have yet other names on 64-bit architectures. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  _llseek: "lseek",
  _newselect: "select",
  arm_fadvise64_64: "fadvise64",
  arm_sync_file_range: "sync_file_range",
  fstatat64: "newfstatat",
  get_tls: "get_thread_area",
  mmap2: "mmap",
  nice: "setpriority",
  oldfstat: "fstat",
  oldlstat: "lstat",
  oldolduname: "uname",
  oldstat: "stat",
  olduname: "uname",
  readdir: "getdents",
  recv: "recvfrom",
  send: "sendto",
  set_tls: "set_thread_area",
  sgetmask: "rt_sigprocmask",
  sigaction: "rt_sigaction",
  signal: "rt_sigaction",
  sigpending: "rt_sigpending",
  sigprocmask: "rt_sigprocmask",
  sigreturn: "rt_sigreturn",
  sigsuspend: "rt_sigsuspend",
  ssetmask: "rt_sigprocmask",
  stime: "settimeofday",
  ugetrlimit: "getrlimit",
  umount: "umount2",
  waitpid: "wait4",
};

/** A call whose first argument selects what it does. */
export interface MultiplexedCalls {
  /** Its name. */
  name: string;
  /** The bits of the argument that count; all without it. */
  mask?: number;
  /** The numbers of its operations, by the names of the calls that do the same. */
  operations: Readonly<Record<string, number>>;
}

/**
 * The multiplexers of i386: socketcall(2), whose other arguments are in memory, where no filter
 * sees them, and ipc(2). Arm has neither.
 */
const I386_MULTIPLEXERS: readonly MultiplexedCalls[] = [
  {
    name: "socketcall",
    operations: {
      socket: 1,
      bind: 2,
      connect: 3,
      listen: 4,
      accept: 5,
      getsockname: 6,
      getpeername: 7,
      socketpair: 8,
      send: 9,
      recv: 10,
      sendto: 11,
      recvfrom: 12,
      shutdown: 13,
      setsockopt: 14,
      getsockopt: 15,
      sendmsg: 16,
      recvmsg: 17,
      accept4: 18,
      recvmmsg: 19,
      sendmmsg: 20,
    },
  },
  {
    name: "ipc",
    // The upper half is the version of the call.
    mask: 0xffff,
    operations: {
      semop: 1,
      semget: 2,
      semctl: 3,
      semtimedop: 4,
      msgsnd: 11,
      msgrcv: 12,
      msgget: 13,
      msgctl: 14,
      shmat: 21,
      shmdt: 22,
      shmget: 23,
      shmctl: 24,
    },
  },
];

/** Returns the multiplexers of an architecture. */
export function multiplexersOf(abi: CompatArchitecture): readonly MultiplexedCalls[] {
  return abi === "i386" ? I386_MULTIPLEXERS : [];
}

/**
 * Returns the name that 64-bit architectures have for what a 32-bit call does. Whether they have
 * it, the caller knows.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(nativeName("_llseek"), "lseek");
 * assertEquals(["chown32", "futex_time64"].map(nativeName), ["chown", "futex"]);
 * assertEquals(["mkdir", "getdents64"].map(nativeName), ["mkdir", "getdents64"]);
 * ```
 */
export function nativeName(name: string): string {
  const other = OTHER_NAMES[name];
  if (other !== undefined) return other;
  if (name === CALL_OF_ITS_OWN) return name;
  if (name.endsWith("32")) return name.slice(0, -"32".length);
  if (!name.endsWith("64")) return name;
  const end = WIDER.find((it) => name.endsWith(it))!;
  return name.slice(0, -end.length);
}
