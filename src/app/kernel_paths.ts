/**
 * The paths of /proc and /sys through which a process that is root can reach the whole machine: kept from
 * being written to, or hidden. The list is rkt's.
 *
 * @module
 */

import type { MountStep } from "./mount_plan.ts";

/** What stays visible, but cannot be written to. */
const READ_ONLY = [
  "/proc/bus",
  "/proc/sys/kernel/core_pattern",
  "/proc/sys/kernel/modprobe",
  "/proc/sys/vm/panic_on_oom",
  "/proc/sysrq-trigger",
  "/sys/block",
  "/sys/bus",
  "/sys/class",
  "/sys/dev",
  "/sys/devices",
  "/sys/kernel",
];

const HIDDEN_DIRECTORIES = [
  "/sys/firmware",
  "/sys/fs",
  "/sys/hypervisor",
  "/sys/module",
  "/sys/power",
];

const HIDDEN_FILES = [
  "/proc/config.gz",
  "/proc/kallsyms",
  "/proc/sched_debug",
  "/proc/kcore",
  "/proc/kmem",
  "/proc/mem",
];

/** All of them; which there are depends on the kernel. */
export const KERNEL_PATHS: readonly string[] = [
  ...READ_ONLY,
  ...HIDDEN_DIRECTORIES,
  ...HIDDEN_FILES,
];

/**
 * The mounts that protect the kernel's paths. They go on top of /proc and /sys, and volumes on top of them.
 *
 * @param present Those of {@linkcode KERNEL_PATHS} that this kernel has.
 * @param field What asks for them.
 */
export function protectKernelPaths(present: ReadonlySet<string>, field: string): MountStep[] {
  const here = (path: string) => present.has(path);
  return [
    ...READ_ONLY.filter(here).map((path) => bindReadOnly(path, path, field)),
    ...HIDDEN_DIRECTORIES.filter(here).map((path): MountStep => ({
      kind: "tmpfs",
      target: path,
      options: { mode: "0" },
      readOnly: true,
      field,
    })),
    ...HIDDEN_FILES.filter(here).map((path) => bindReadOnly("/dev/null", path, field)),
  ];
}

function bindReadOnly(source: string, target: string, field: string): MountStep {
  return {
    kind: "bind",
    source,
    target,
    recursive: true,
    readOnly: true,
    propagation: "private",
    field,
  };
}
