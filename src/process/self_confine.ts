/**
 * What the entrypoints take from themselves, once they have read what tells them what to do.
 *
 * Deno's permissions end at libc: they decide which files and variables the program's own code may ask Deno
 * for, and do not see a system call. The kernel does, and holds this fence. It belongs to the thread that makes
 * all calls; the others only serve V8 and Deno.
 *
 * @module
 */

import { type Capability, limitPermitted } from "../linux/capabilities.ts";
import { ERRNO } from "../linux/errno.ts";
import { syscall } from "../linux/libc.ts";
import { makeUndumpable } from "../linux/process.ts";
import { prepareFilter, setNoNewPrivileges } from "../linux/seccomp.ts";
import { ARCHITECTURE } from "../linux/syscall_numbers.ts";
import type { Debug } from "../stage1/log.ts";

/** What each needs: capabilities(7). */
const NEEDED = {
  run: [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_SYS_RESOURCE",
  ],
  // The `run` that stays with a pod: it makes networks and devices, and looks into processes of the pod.
  supervisor: [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_SETPCAP",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RESOURCE",
  ],
  // It gives a terminal to the command's user, from a devpts whose `ptmx` nobody may open.
  enter: [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_KILL",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
  ],
  // Who has started all that there is to start: what is left to do is to pass on signals and output.
  waiting: ["CAP_KILL"],
  gc: ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"],
  stop: ["CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SYS_PTRACE"],
} as const satisfies Record<string, readonly Capability[]>;

/**
 * Calls that none who stays what it is ever makes, and that do the most harm, with their numbers on x86-64 and arm64:
 * looking up so few in the table of all calls would be half of what the fence costs.
 */
const DENIED_SYSCALLS = {
  accept4: [288, 242],
  bind: [49, 200],
  bpf: [321, 280],
  chroot: [161, 51],
  connect: [42, 203],
  delete_module: [176, 106],
  execve: [59, 221],
  execveat: [322, 281],
  finit_module: [313, 273],
  init_module: [175, 105],
  io_uring_setup: [425, 425],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  mknodat: [259, 33],
  open_by_handle_at: [304, 265],
  open_tree: [428, 428],
  perf_event_open: [298, 241],
  pivot_root: [155, 41],
  process_vm_writev: [311, 271],
  ptrace: [101, 117],
  reboot: [169, 142],
  setns: [308, 268],
  setresgid: [119, 149],
  setresuid: [117, 147],
  socket: [41, 198],
  swapon: [167, 224],
  unshare: [272, 97],
} as const;

/** Who ends as what it is. */
type Staying = "stop" | "gc" | "waiting";

/** The calls that each refuses itself: their numbers on x86-64 and on arm64, by name. */
export function deniedSyscalls(
  name: Staying,
): Readonly<Record<string, readonly [x86_64: number, aarch64: number]>> {
  return name === "gc"
    ? DENIED_SYSCALLS
    : { ...DENIED_SYSCALLS, mount: [165, 40], umount2: [166, 39] };
}

/**
 * The fence of a program that becomes another one, or starts one: that one has to have all that this one gives up,
 * so it is but what execve(2) gives back to root.
 *
 * @throws {SyscallError}
 */
export function selfConfineUntilExec(name: "run" | "supervisor" | "enter", debug: Debug): void {
  debug(`keep the capabilities ${NEEDED[name].join(" ")}`);
  giveUp(name);
}

/**
 * The fence of a program that ends as what it is.
 *
 * Landlock is no part of it: who is landlocked can neither unmount, which is what `gc` is for, nor look at the
 * root of a process outside, by which both know the pod's.
 *
 * @throws {SyscallError}
 */
export function selfConfineForGood(name: Staying, debug: Debug): void {
  const calls = Object.values(deniedSyscalls(name));
  debug(`keep the capabilities ${NEEDED[name].join(" ")}, refuse ${calls.length} system calls`);
  giveUp(name);
  setNoNewPrivileges();
  const syscalls = calls.map(([x86_64, aarch64]) => ARCHITECTURE === "x86_64" ? x86_64 : aarch64);
  prepareFilter({ mode: "deny", syscalls, errno: ERRNO.EPERM })();
}

/**
 * Gives up capabilities, and before that makes sure that nobody comes to look into this process by
 * having as many as are left: it is in the host's root, and in the host's namespaces apps see it.
 */
function giveUp(name: keyof typeof NEEDED): void {
  makeUndumpable(syscall);
  limitPermitted(NEEDED[name]);
}
