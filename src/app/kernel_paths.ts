/**
 * The paths of /proc and /sys through which a process that is root can reach the whole machine: kept from
 * being written to, or hidden. The list is rkt's.
 *
 * @module
 */

import type { Isolation } from "../stage1/isolation.ts";
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

/** Settings of the kernel. Most are the whole machine's, and root writes to them without any capability. */
const SETTINGS = "/proc/sys";
/** Those of a network: the pod's, if that has one. */
const NETWORK_SETTINGS = "/proc/sys/net";

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
export function protectKernelPaths(
  present: ReadonlySet<string>,
  field: string,
  { isolation, hasNetwork }: { isolation: Isolation; hasNetwork: boolean },
): MountStep[] {
  const here = (path: string) => present.has(path);
  const freeze = (path: string): MountStep => ({
    kind: "rebind",
    source: path,
    target: path,
    readOnly: true,
    field,
  });
  return [
    ...(isolation === "pod" ? [freeze(SETTINGS)] : []),
    ...(hasNetwork ? [networkSettings(field)] : []),
    ...READ_ONLY.filter(here)
      .filter((path) => isolation === "host" || !path.startsWith(`${SETTINGS}/`))
      .map(freeze),
    ...HIDDEN_DIRECTORIES.filter(here).map((target): MountStep => ({
      kind: "tmpfs",
      target,
      options: { mode: "0" },
      readOnly: true,
      noDevices: true,
      field,
    })),
    ...HIDDEN_FILES.filter(here).map((target) => hideFile(target, field, isolation)),
  ];
}

function networkSettings(field: string): MountStep {
  return {
    kind: "pod-tree",
    tree: "network-settings",
    target: NETWORK_SETTINGS,
    readOnly: false,
    field,
  };
}

/** A file without permissions where the pod has one; the host's file systems have none to offer. */
function hideFile(target: string, field: string, isolation: Isolation): MountStep {
  if (isolation === "pod") {
    return { kind: "pod-tree", tree: "hidden-file", target, readOnly: true, field };
  }
  return {
    kind: "bind",
    source: "/dev/null",
    target,
    recursive: false,
    readOnly: true,
    propagation: "private",
    noDevices: false,
    field,
  };
}
