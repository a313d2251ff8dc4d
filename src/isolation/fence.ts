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
import { prepareFilter, setNoNewPrivileges } from "../linux/seccomp.ts";
import type { Trace } from "./trace.ts";

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
  enter: [
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SYS_ADMIN",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
  ],
  gc: ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE"],
  stop: ["CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SYS_PTRACE"],
} as const satisfies Record<string, readonly Capability[]>;

/** Calls that neither `stop` nor `gc` ever makes, and that do the most harm. */
const NEVER = [
  "accept4",
  "bind",
  "bpf",
  "chroot",
  "connect",
  "delete_module",
  "execve",
  "execveat",
  "finit_module",
  "init_module",
  "io_uring_setup",
  "kexec_file_load",
  "kexec_load",
  "mknodat",
  "open_by_handle_at",
  "open_tree",
  "perf_event_open",
  "pivot_root",
  "process_vm_writev",
  "ptrace",
  "reboot",
  "setns",
  "setresgid",
  "setresuid",
  "socket",
  "swapon",
  "unshare",
];

/**
 * The fence of a program that becomes another one: that one has to have all that this one gives up, so it is
 * but what execve(2) gives back to root.
 *
 * @throws {SyscallError}
 */
export function fenceUntilExec(name: "run" | "enter", trace: Trace): void {
  trace(`keep the capabilities ${NEEDED[name].join(" ")}`);
  limitPermitted(NEEDED[name]);
}

/**
 * The fence of a program that ends as what it is.
 *
 * Landlock is no part of it: who is landlocked can neither unmount, which is what `gc` is for, nor look at the
 * root of a process outside, by which both know the pod's.
 *
 * @throws {SyscallError}
 */
export function fenceForGood(name: "stop" | "gc", trace: Trace): void {
  const calls = name === "stop" ? [...NEVER, "mount", "umount2"] : NEVER;
  trace(`keep the capabilities ${NEEDED[name].join(" ")}, refuse ${calls.length} system calls`);
  limitPermitted(NEEDED[name]);
  setNoNewPrivileges();
  prepareFilter({ mode: "deny", syscalls: calls, errno: "EPERM" })();
}
