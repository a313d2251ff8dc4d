/**
 * What each entrypoint takes from itself, once it has read what tells it what to do.
 *
 * Deno's permissions end at libc: they decide which files and variables the program's own code may
 * ask Deno for, and do not see a system call. The kernel sees every call, and enforces this
 * confinement. It holds for the thread that makes all calls; the others only serve V8 and Deno.
 *
 * Landlock is no part of it: a landlocked process can neither unmount, which `gc` has to do, nor
 * look at the root of a process outside, by which `gc` and `stop` know the pod's processes.
 *
 * @module
 */

import type { Capability } from "../linux/capabilities.ts";
import { limitPermitted } from "../linux/capability_sets.ts";
import { ERRNO } from "../linux/errno.ts";
import { syscall } from "../linux/libc.ts";
import { makeUndumpable } from "../linux/process.ts";
import { prepareFilter, setNoNewPrivileges } from "../linux/seccomp.ts";
import { ARCHITECTURE } from "../linux/syscall_numbers.ts";
import type { Debug } from "../stage1/log.ts";

/** System calls by name, each with its numbers on x86-64 and on arm64. */
type SyscallPairs = Readonly<Record<string, readonly [x86_64: number, aarch64: number]>>;

/** What is left to a process that has confined itself. */
export interface Confinement {
  /** What it may still do: capabilities(7). */
  capabilities: readonly Capability[];
  /**
   * The calls that it denies itself, if it stays what it is to its end. A process that starts or
   * becomes another program denies itself none: that program would be denied them as well.
   */
  denied?: SyscallPairs;
}

/**
 * Calls that no confined process makes, and that do the most harm. The numbers stand here because
 * looking up so few names in the table of all calls would be half of what the confinement costs.
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

/** Those of them that also a process can deny itself which builds an app's root. */
const {
  bind: _bind,
  bpf: _bpf,
  chroot: _chroot,
  open_tree: _openTree,
  pivot_root: _pivotRoot,
  setns: _setns,
  socket: _socket,
  unshare: _unshare,
  ...DENIED_BUILDER_SYSCALLS
} = DENIED_SYSCALLS;

const MOUNT_SYSCALLS = { mount: [165, 40], umount2: [166, 39] } as const;

/** Those of them that also a `run` can deny itself which lets clients in. */
const { accept4: _accept4, ...DENIED_LISTENER_SYSCALLS } = DENIED_SYSCALLS;

/** The parts that entrypoints play, each with its confinement. */
export const CONFINEMENTS = {
  /** A `run` that becomes its app. */
  run: {
    capabilities: [
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
  },
  /** A `run` that stays: it makes networks and devices, and looks into processes of the pod. */
  supervisor: {
    capabilities: [
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
  },
  /** It builds the root and the cgroups of an app that is added. */
  "app-add": {
    capabilities: [
      "CAP_CHOWN",
      "CAP_DAC_OVERRIDE",
      "CAP_DAC_READ_SEARCH",
      "CAP_FOWNER",
      "CAP_FSETID",
      "CAP_KILL",
      "CAP_SYS_ADMIN",
      "CAP_SYS_CHROOT",
      "CAP_SYS_RESOURCE",
    ],
    denied: DENIED_BUILDER_SYSCALLS,
  },
  /** It gives streams to an app's user, and launches the app's processes. */
  "app-start": {
    capabilities: [
      "CAP_CHOWN",
      "CAP_DAC_OVERRIDE",
      "CAP_DAC_READ_SEARCH",
      "CAP_FOWNER",
      "CAP_KILL",
      "CAP_SYS_ADMIN",
      "CAP_SYS_PTRACE",
      "CAP_SYS_RESOURCE",
    ],
  },
  /** It gives a terminal to the command's user, from a devpts whose `ptmx` nobody may open. */
  enter: {
    capabilities: [
      "CAP_CHOWN",
      "CAP_DAC_OVERRIDE",
      "CAP_DAC_READ_SEARCH",
      "CAP_FOWNER",
      "CAP_KILL",
      "CAP_SYS_ADMIN",
      "CAP_SYS_CHROOT",
      "CAP_SYS_PTRACE",
    ],
  },
  /** A `run` or `enter` with nothing left to start: it passes on signals and output. */
  waiting: {
    capabilities: ["CAP_KILL"],
    denied: { ...DENIED_LISTENER_SYSCALLS, ...MOUNT_SYSCALLS },
  },
  /** The same, of one that gives streams of its caller's back in the end. */
  lending: {
    capabilities: ["CAP_CHOWN", "CAP_KILL"],
    denied: { ...DENIED_LISTENER_SYSCALLS, ...MOUNT_SYSCALLS },
  },
  /**
   * A program that has the pod's supervisor do something, and waits for that or passes on output.
   */
  asking: {
    capabilities: [],
    denied: { ...DENIED_SYSCALLS, ...MOUNT_SYSCALLS },
  },
  /** It kills what is left in an app's cgroups, and removes files in directories of any user. */
  "app-rm": {
    capabilities: ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_KILL"],
    denied: { ...DENIED_SYSCALLS, ...MOUNT_SYSCALLS },
  },
  gc: {
    capabilities: [
      "CAP_DAC_OVERRIDE",
      "CAP_DAC_READ_SEARCH",
      "CAP_KILL",
      "CAP_SYS_ADMIN",
      "CAP_SYS_PTRACE",
    ],
    denied: DENIED_SYSCALLS,
  },
  stop: {
    capabilities: ["CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_SYS_PTRACE"],
    denied: { ...DENIED_SYSCALLS, ...MOUNT_SYSCALLS },
  },
} as const satisfies Record<string, Confinement>;

/** A part that an entrypoint plays. */
export type Role = keyof typeof CONFINEMENTS;

/**
 * Confines this process to its role, for good: it keeps the role's capabilities, and where it stays
 * what it is, it denies itself new privileges and the role's system calls.
 *
 * execve(2) gives root its capabilities back, which a program that it starts or becomes needs.
 *
 * @throws {SyscallError} when the process lacks a privilege that the confinement itself takes.
 */
export function selfConfine(role: Role, debug: Debug): void {
  const { capabilities, denied }: Confinement = CONFINEMENTS[role];
  // This process is in the host's root, and apps in the host's namespaces see it. With few
  // capabilities left, any process that has as many could look into it.
  makeUndumpable(syscall);
  const kept = limitPermitted(capabilities);
  debug(kept.length > 0 ? `keep the capabilities ${kept.join(" ")}` : "keep no capabilities");
  if (denied) denySyscalls(denied, debug);
}

/** A 32-bit call ends the process: no code here makes one, and its number would be another. */
function denySyscalls(denied: SyscallPairs, debug: Debug): void {
  const calls = Object.values(denied);
  debug(`deny ${calls.length} system calls`);
  setNoNewPrivileges();
  const syscalls = calls.map(([x86_64, aarch64]) => ARCHITECTURE === "x86_64" ? x86_64 : aarch64);
  prepareFilter({ mode: "deny", syscalls, errno: ERRNO.EPERM })();
}
