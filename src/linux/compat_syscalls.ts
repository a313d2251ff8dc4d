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

/** The ends of names of the same call with wider users, offsets or times. */
const WIDER = ["32", "64", "_64", "_time64"];

/** The only name with such an end that 64-bit architectures have beside the one without it. */
const CALL_OF_ITS_OWN = "getdents64";

/** Calls that have yet other names. */
const OTHER_NAMES: Readonly<Record<string, readonly string[]>> = {
  fadvise64: ["arm_fadvise64_64"],
  fstat: ["oldfstat"],
  get_thread_area: ["get_tls"],
  getdents: ["readdir"],
  getrlimit: ["ugetrlimit"],
  lseek: ["_llseek"],
  lstat: ["oldlstat"],
  mmap: ["mmap2"],
  newfstatat: ["fstatat64"],
  recvfrom: ["recv"],
  rt_sigaction: ["sigaction", "signal"],
  rt_sigpending: ["sigpending"],
  rt_sigprocmask: ["sigprocmask", "sgetmask", "ssetmask"],
  rt_sigreturn: ["sigreturn"],
  rt_sigsuspend: ["sigsuspend"],
  select: ["_newselect"],
  sendto: ["send"],
  set_thread_area: ["set_tls"],
  setpriority: ["nice"],
  settimeofday: ["stime"],
  stat: ["oldstat"],
  sync_file_range: ["arm_sync_file_range"],
  umount2: ["umount"],
  uname: ["olduname", "oldolduname"],
  wait4: ["waitpid"],
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
 * Returns the names by which a 32-bit architecture may have a call: the name itself, and those of
 * calls that do the same and that no 64-bit architecture has.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(compatNames("lseek").includes("_llseek"), true);
 * assertEquals(compatNames("chown").includes("chown32"), true);
 * assertEquals(compatNames("getdents").includes("getdents64"), false);
 * ```
 */
export function compatNames(name: string): string[] {
  const wider = WIDER.map((end) => name + end).filter((other) => other !== CALL_OF_ITS_OWN);
  return [name, ...wider, ...(OTHER_NAMES[name] ?? [])];
}
