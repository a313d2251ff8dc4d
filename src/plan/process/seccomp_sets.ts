/**
 * Sets of system calls by name: the wildcards of seccomp isolators. appc spec 0.8.11,
 * `spec/ace.md`; rkt, `Documentation/seccomp-guide.md`; docker, `profiles/seccomp`;
 * systemd.exec(5), `SystemCallFilter=`.
 *
 * Each set has the calls that x86 and arm know, and newer calls that do what an older call of the
 * set does: a program of today gets the filter that was meant. What the names mean to a 32-bit
 * program is in `linux/compat_syscalls.ts`.
 *
 * @module
 */

import type { NamedRules } from "../../linux/named_filter.ts";
import {
  CONFINED_FAMILIES,
  HARMLESS_PERSONALITIES,
  WITHOUT_NEW_NAMESPACES,
  WITHOUT_TYPING,
} from "../../linux/safe_arguments.ts";

/** systemd's sets, by systemd's names. `@name` includes another set. */
const SYSTEMD_SETS: Readonly<Record<string, string>> = {
  default: `
    arch_prctl brk cacheflush clock_getres clock_gettime clock_nanosleep execve exit exit_group futex
    get_robust_list get_thread_area getegid geteuid getgid getgroups getpgid getpgrp getpid getppid
    getrandom getresgid getresuid getrlimit getsid gettid gettimeofday getuid membarrier mmap mprotect
    munmap nanosleep pause prlimit64 restart_syscall rseq rt_sigreturn sched_getaffinity sched_yield
    set_robust_list set_thread_area set_tid_address time uprobe uretprobe`,
  aio: `
    io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit io_uring_enter
    io_uring_register io_uring_setup`,
  "basic-io": `
    close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readv
    write writev`,
  chown: "chown fchown fchownat lchown",
  clock: "adjtimex clock_adjtime clock_settime settimeofday",
  "cpu-emulation": "modify_ldt vm86 vm86old",
  debug: "lookup_dcookie perf_event_open pidfd_getfd ptrace",
  "file-system": `
    access chdir chmod close creat faccessat faccessat2 fallocate fchdir fchmod fchmodat fchmodat2
    fcntl fgetxattr file_getattr file_setattr flistxattr fremovexattr fsetxattr fstat fstatfs
    ftruncate futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch
    inotify_init inotify_init1 inotify_rm_watch lgetxattr link linkat listxattr listxattrat
    llistxattr lremovexattr lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open openat
    openat2 readlink readlinkat removexattr removexattrat rename renameat renameat2 rmdir setxattr
    setxattrat stat statfs statx symlink symlinkat truncate unlink unlinkat utime utimensat utimes`,
  "io-event": `
    epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait
    epoll_wait_old eventfd eventfd2 poll ppoll pselect6 select`,
  ipc: `
    memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget
    msgrcv msgsnd pipe pipe2 process_madvise process_vm_readv process_vm_writev semctl semget semop
    semtimedop shmat shmctl shmdt shmget`,
  keyring: "add_key keyctl request_key",
  memlock: "mlock mlock2 mlockall munlock munlockall",
  module: "delete_module finit_module init_module",
  mount: `
    chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr
    pivot_root umount2`,
  "network-io": `
    accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmsg
    sendmmsg sendmsg sendto setsockopt shutdown socket socketpair`,
  obsolete: `
    _sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx
    prof profil putpmsg query_module security sgetmask ssetmask stime stty sysfs tuxcall ulimit uselib
    ustat vserver`,
  pkey: "pkey_alloc pkey_free pkey_mprotect",
  privileged: `
    @chown @clock @module @raw-io @reboot @swap _sysctl acct bpf capset chroot fanotify_init
    fanotify_mark nfsservctl open_by_handle_at pivot_root quotactl quotactl_fd setdomainname setfsuid
    setgroups sethostname setresuid setreuid setuid vhangup`,
  process: `
    capget clone clone3 execveat fork getrusage kill pidfd_open pidfd_send_signal prctl
    rt_sigqueueinfo rt_tgsigqueueinfo setns tgkill times tkill unshare vfork wait4 waitid`,
  "raw-io": "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write",
  reboot: "kexec_file_load kexec_load reboot",
  resources: `
    ioprio_set mbind migrate_pages move_pages sched_setaffinity sched_setattr sched_setparam
    sched_setscheduler set_mempolicy set_mempolicy_home_node setpriority setrlimit`,
  setuid: "setgid setgroups setregid setresgid setresuid setreuid setuid",
  signal: `
    rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait sigaltstack signalfd
    signalfd4`,
  swap: "swapoff swapon",
  sync: "fdatasync fsync msync sync sync_file_range syncfs",
  "system-service": `
    @aio @basic-io @chown @default @file-system @io-event @ipc @keyring @memlock @network-io @process
    @resources @setuid @signal @sync @timer capset copy_file_range fadvise64 flock get_mempolicy
    getcpu getpriority ioctl ioprio_get kcmp madvise mremap name_to_handle_at personality readahead
    remap_file_pages sched_get_priority_max sched_get_priority_min sched_getattr sched_getparam
    sched_getscheduler sched_rr_get_interval sendfile setfsgid setfsuid setpgid setsid splice sysinfo
    tee umask uname userfaultfd vmsplice`,
  timer: `
    alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_settime
    timerfd_create timerfd_gettime timerfd_settime times`,
};

/**
 * What programs of all kinds need, and what harms nobody but themselves. io_uring is left out,
 * because no filter sees its operations.
 */
const DEFAULT_WHITELIST = `
  @basic-io @chown @default @file-system @io-event @memlock @network-io @pkey @setuid @signal @sync
  @timer
  cachestat capget capset chroot clone clone3 copy_file_range execveat fadvise64 fanotify_mark flock fork
  futex_requeue futex_wait futex_waitv futex_wake getcpu getpriority getrusage io_cancel io_destroy
  io_getevents io_pgetevents io_setup io_submit ioctl ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self madvise
  map_shadow_stack memfd_create memfd_secret mincore modify_ldt mq_getsetattr mq_notify mq_open
  mq_timedreceive mq_timedsend mq_unlink mremap mseal msgctl msgget msgrcv msgsnd personality pidfd_open
  pidfd_send_signal pipe pipe2 prctl process_mrelease readahead remap_file_pages rt_sigqueueinfo
  rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getattr sched_getparam
  sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam
  sched_setscheduler seccomp semctl semget semop semtimedop sendfile setfsgid setfsuid setpgid
  setpriority setrlimit setsid shmat shmctl shmdt shmget splice sysinfo syslog tee tgkill times tkill
  umask uname vfork vmsplice wait4 waitid`;

/**
 * Calls that are newer than the whitelist, and that nobody has looked at for it. After ENOSYS,
 * programs go on without them.
 */
const NEWER =
  "listmount listns lsm_get_self_attr lsm_list_modules lsm_set_self_attr rseq_slice_yield statmount";

/**
 * Calls that the default whitelist does not simply allow: an argument decides, or none of them
 * works. They fail with errors, and do not end the process: programs try these calls and go on
 * without.
 */
const DEFAULT_RULES: NamedRules = {
  ...Object.fromEntries(NEWER.split(" ").map((name) => [name, { errno: "ENOSYS" }])),
  clone: { errno: "EPERM", test: WITHOUT_NEW_NAMESPACES },
  // Its flags are in memory, where no filter sees them. After ENOSYS, C libraries use clone.
  clone3: { errno: "ENOSYS" },
  ioctl: { errno: "EPERM", test: WITHOUT_TYPING },
  personality: { errno: "EPERM", test: HARMLESS_PERSONALITIES },
  socket: { errno: "EPERM", test: CONFINED_FAMILIES },
  // The kernel makes the sockets, and loads the family's module, before it finds that the family
  // has no pairs.
  socketpair: { errno: "EPERM", test: CONFINED_FAMILIES },
  // It reads the host's kernel log, without privileges where dmesg_restrict is off.
  syslog: { errno: "EPERM" },
};

/** Calls that reach the machine, its other users or the kernel's lesser-used parts. */
const DEFAULT_BLACKLIST = `
  @clock @keyring @module @raw-io @reboot @swap
  _sysctl acct bpf create_module fsconfig fsmount fsopen fspick get_kernel_syms get_mempolicy kcmp
  lookup_dcookie mbind mount mount_setattr move_mount move_pages name_to_handle_at nfsservctl
  open_by_handle_at open_tree open_tree_attr perf_event_open pidfd_getfd pivot_root process_madvise process_vm_readv
  process_vm_writev ptrace query_module quotactl quotactl_fd set_mempolicy set_mempolicy_home_node setns
  sysfs umount2 unshare userfaultfd uselib ustat vm86 vm86old`;

/** The wildcard by which a retain-set keeps everything. It overrides all else in the set. */
export const EVERY_SYSCALL = "@appc.io/all";

/**
 * The wildcard by which a remove-set asks for this image's own filter. It overrides all else in the
 * set.
 */
export const NO_SYSCALL = "@appc.io/empty";

/** The wildcard of the filter of an app without seccomp isolators. */
export const DEFAULT_FILTER = "@rkt/default-whitelist";

/**
 * The wildcard that every allow-list includes, as in rkt's own images: the calls with which a
 * program of the usual C libraries starts, sleeps and ends. The spec leaves the choice to the
 * implementation.
 */
export const LIFE_CYCLE = "@systemd/default";

/**
 * Returns the system calls that a wildcard stands for. Some of them are allowed only with certain
 * arguments: {@linkcode rulesOf}.
 *
 * @returns `undefined` when there is no such wildcard. {@linkcode EVERY_SYSCALL} and {@linkcode
 * NO_SYSCALL} stand for no list.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(expandWildcard("@systemd/swap"), ["swapoff", "swapon"]);
 * assertEquals(expandWildcard("@systemd/swamp"), undefined);
 * ```
 */
export function expandWildcard(wildcard: string): string[] | undefined {
  switch (wildcard) {
    case "@rkt/default-whitelist":
    case "@docker/default-whitelist":
      return expand(DEFAULT_WHITELIST);
    case "@rkt/default-blacklist":
    case "@docker/default-blacklist":
      return expand(DEFAULT_BLACKLIST);
    // rkt's name for what systemd calls @default.
    case "@systemd/default-whitelist":
      return systemdSet("default");
  }
  const [scope, name = ""] = wildcard.split("/", 2);
  return scope === "@systemd" ? systemdSet(name) : undefined;
}

/**
 * Returns the rules for those calls of a wildcard that are allowed with certain arguments only.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(rulesOf("@docker/default-whitelist").clone3, { errno: "ENOSYS" });
 * assertEquals(rulesOf("@systemd/process"), {});
 * ```
 */
export function rulesOf(wildcard: string): NamedRules {
  return wildcard === "@rkt/default-whitelist" || wildcard === "@docker/default-whitelist"
    ? DEFAULT_RULES
    : {};
}

function systemdSet(name: string): string[] | undefined {
  return Object.hasOwn(SYSTEMD_SETS, name) ? expand(SYSTEMD_SETS[name]!) : undefined;
}

function expand(text: string): string[] {
  const names = text.trim().split(/\s+/).flatMap((word) =>
    word.startsWith("@") ? expand(SYSTEMD_SETS[word.slice(1)]!) : [word]
  );
  return [...new Set(names)];
}
