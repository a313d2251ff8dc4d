/**
 * The numbers of the system calls that this project makes, on x86-64 (`asm/unistd_64.h`) and on
 * arm64 (`asm-generic/unistd.h`). From 424 on, they are the same everywhere.
 *
 * @module
 */

/** An architecture that this image is made for, in Deno's spelling. */
export type Architecture = "x86_64" | "aarch64";

/** A 32-bit architecture whose programs such a machine runs as well. */
export type CompatArchitecture = "i386" | "arm";

/** An architecture by which system calls are numbered. */
export type Abi = Architecture | CompatArchitecture;

/**
 * The 32-bit architecture of each machine. Also a 64-bit program may make its calls, such as by
 * `int $0x80` on x86-64.
 */
export const COMPAT_ARCHITECTURES: Readonly<Record<Architecture, CompatArchitecture>> = {
  x86_64: "i386",
  aarch64: "arm",
};

/** The architecture of this machine. */
export const ARCHITECTURE = Deno.build.arch as Architecture;

const X86_64 = {
  read: 0,
  write: 1,
  close: 3,
  lseek: 8,
  mmap: 9,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  ioctl: 16,
  pread64: 17,
  pwrite64: 18,
  socket: 41,
  connect: 42,
  sendto: 44,
  recvmsg: 47,
  shutdown: 48,
  bind: 49,
  getsockname: 51,
  socketpair: 53,
  setsockopt: 54,
  getsockopt: 55,
  clone: 56,
  execve: 59,
  wait4: 61,
  kill: 62,
  fcntl: 72,
  flock: 73,
  ftruncate: 77,
  chdir: 80,
  fchdir: 81,
  fchmod: 91,
  fchown: 93,
  getppid: 110,
  setsid: 112,
  setgroups: 116,
  setresuid: 117,
  setresgid: 119,
  getpgid: 121,
  capget: 125,
  capset: 126,
  rt_sigtimedwait: 128,
  fstatfs: 138,
  pivot_root: 155,
  prctl: 157,
  chroot: 161,
  mount: 165,
  umount2: 166,
  sethostname: 170,
  fgetxattr: 193,
  removexattr: 197,
  fremovexattr: 199,
  getdents64: 217,
  clock_gettime: 228,
  exit_group: 231,
  waitid: 247,
  keyctl: 250,
  openat: 257,
  mkdirat: 258,
  mknodat: 259,
  fchownat: 260,
  unlinkat: 263,
  symlinkat: 266,
  readlinkat: 267,
  fchmodat: 268,
  ppoll: 271,
  unshare: 272,
  signalfd4: 289,
  eventfd2: 290,
  dup3: 292,
  pipe2: 293,
  prlimit64: 302,
  setns: 308,
  renameat2: 316,
  seccomp: 317,
  memfd_create: 319,
  bpf: 321,
  execveat: 322,
  statx: 332,
} as const;

const AARCH64: Record<keyof typeof X86_64, number> = {
  fgetxattr: 10,
  removexattr: 14,
  fremovexattr: 16,
  eventfd2: 19,
  dup3: 24,
  fcntl: 25,
  ioctl: 29,
  flock: 32,
  mknodat: 33,
  mkdirat: 34,
  unlinkat: 35,
  symlinkat: 36,
  umount2: 39,
  mount: 40,
  pivot_root: 41,
  fstatfs: 44,
  ftruncate: 46,
  chdir: 49,
  fchdir: 50,
  chroot: 51,
  fchmod: 52,
  fchmodat: 53,
  fchownat: 54,
  fchown: 55,
  openat: 56,
  close: 57,
  pipe2: 59,
  getdents64: 61,
  lseek: 62,
  read: 63,
  write: 64,
  pread64: 67,
  pwrite64: 68,
  ppoll: 73,
  signalfd4: 74,
  readlinkat: 78,
  capget: 90,
  capset: 91,
  exit_group: 94,
  waitid: 95,
  unshare: 97,
  clock_gettime: 113,
  kill: 129,
  rt_sigaction: 134,
  rt_sigprocmask: 135,
  rt_sigtimedwait: 137,
  setresuid: 147,
  setresgid: 149,
  getpgid: 155,
  setsid: 157,
  setgroups: 159,
  sethostname: 161,
  prctl: 167,
  getppid: 173,
  socket: 198,
  socketpair: 199,
  bind: 200,
  connect: 203,
  getsockname: 204,
  sendto: 206,
  setsockopt: 208,
  getsockopt: 209,
  shutdown: 210,
  recvmsg: 212,
  keyctl: 219,
  clone: 220,
  execve: 221,
  mmap: 222,
  wait4: 260,
  prlimit64: 261,
  setns: 268,
  renameat2: 276,
  seccomp: 277,
  memfd_create: 279,
  bpf: 280,
  execveat: 281,
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
  ...(ARCHITECTURE === "aarch64" ? AARCH64 : X86_64),
  ...EVERYWHERE,
};
