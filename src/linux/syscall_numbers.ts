/**
 * The numbers of the system calls that this project makes, on x86-64 (`asm/unistd_64.h`) and on arm64
 * (`asm-generic/unistd.h`). From 424 on, they are the same everywhere.
 *
 * @module
 */

const X86_64 = {
  read: 0,
  write: 1,
  close: 3,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  execve: 59,
  wait4: 61,
  fcntl: 72,
  chdir: 80,
  fchdir: 81,
  fchmod: 91,
  fchown: 93,
  setgroups: 116,
  setresuid: 117,
  setresgid: 119,
  getpgid: 121,
  capget: 125,
  capset: 126,
  pivot_root: 155,
  prctl: 157,
  chroot: 161,
  mount: 165,
  umount2: 166,
  getdents64: 217,
  openat: 257,
  mkdirat: 258,
  unlinkat: 263,
  readlinkat: 267,
  unshare: 272,
  setns: 308,
  renameat2: 316,
  seccomp: 317,
  statx: 332,
} as const;

const AARCH64: Record<keyof typeof X86_64, number> = {
  fcntl: 25,
  mkdirat: 34,
  unlinkat: 35,
  umount2: 39,
  mount: 40,
  pivot_root: 41,
  chdir: 49,
  fchdir: 50,
  chroot: 51,
  fchmod: 52,
  fchown: 55,
  openat: 56,
  close: 57,
  getdents64: 61,
  read: 63,
  write: 64,
  readlinkat: 78,
  capget: 90,
  capset: 91,
  unshare: 97,
  rt_sigaction: 134,
  rt_sigprocmask: 135,
  setresuid: 147,
  setresgid: 149,
  getpgid: 155,
  setgroups: 159,
  prctl: 167,
  execve: 221,
  wait4: 260,
  setns: 268,
  renameat2: 276,
  seccomp: 277,
  statx: 291,
};

const EVERYWHERE = {
  pidfd_send_signal: 424,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  close_range: 436,
  openat2: 437,
  mount_setattr: 442,
} as const;

/** The name of a system call that this project makes. */
export type SyscallName = keyof typeof X86_64 | keyof typeof EVERYWHERE;

/** The numbers on this machine. */
export const SYSCALL_NUMBERS: Readonly<Record<SyscallName, number>> = {
  ...(Deno.build.arch === "aarch64" ? AARCH64 : X86_64),
  ...EVERYWHERE,
};
