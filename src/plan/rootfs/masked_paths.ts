/**
 * The paths of /proc and /sys through which a process that is root can reach the whole machine, or
 * learn about it: kept from being written to, or hidden.
 *
 * They are those of rkt's default stage1, docker and systemd-nspawn together, and some more. In one
 * case that list is softer than one of them: systemd-nspawn hides /proc/sysrq-trigger. Nobody can
 * read from it anyway, and rkt's users are told `Read-only file system` when they write to it.
 *
 * @module
 */

import type { Flavor } from "../../stage1/flavor.ts";

/** What an app may do with a path. */
export type Access = "hidden" | "read-only" | "read-write";

/** What is done about a path of the kernel's, if there is such a path. */
export interface Mask {
  /** A directory's name may end in `*`: that stands for any number. */
  target: string;
  access: Access;
  /** What asks for it. */
  field: string;
}

/**
 * Settings of the kernel. Most are the whole machine's, and root writes to them without any
 * capability.
 */
const SETTINGS = "/proc/sys";

/** Those of a network: the pod's, if that has one. */
const NETWORK_SETTINGS = "/proc/sys/net";

/**
 * Those below {@linkcode NETWORK_SETTINGS} that are the whole machine's in every network: of all
 * that are there on Linux 6.18, writing to no other one shows elsewhere. Once on, this one stays on
 * until the machine starts anew.
 */
const SHARED_NETWORK_SETTINGS = ["/proc/sys/net/netfilter/nf_hooks_lwtunnel"];

/** Visible, but not to be written to. */
const READONLY_PATHS = [
  "/proc/apm", // power management: what there is has settings
  "/proc/bus", // pci: the registers of devices
  "/proc/dynamic_debug", // what the kernel logs
  "/proc/fs", // file systems of the host: their settings
  "/proc/irq", // which processors serve which interrupts
  "/proc/mtrr", // how memory is cached
  "/proc/sysrq-trigger", // restarts the machine, among others
];

/**
 * In /sys all is settings, and capabilities protect few. An isolated pod's is read-only as a whole.
 */
const READONLY_SYS_PATHS = [
  "/sys/block",
  "/sys/bus",
  "/sys/class",
  "/sys/dev",
  "/sys/devices",
  "/sys/kernel",
];

/** Files or directories, as the kernel has it. */
const MASKED_PATHS = [
  "/proc/acpi", // what wakes the machine, and can be set
  "/proc/asound", // the machine's sound
  "/proc/config.gz", // how the kernel was built
  "/proc/interrupts", // each key that is pressed on the machine counts here
  "/proc/kallsyms", // where things are in the kernel's memory
  "/proc/kcore", // the memory of the machine
  "/proc/keys", // keys of the host's users
  "/proc/kmem",
  "/proc/kpagecgroup", // what each page of the machine's memory is for
  "/proc/kpagecount",
  "/proc/kpageflags",
  "/proc/latency_stats", // what processes of the host wait for
  "/proc/mem",
  "/proc/sched_debug", // the processes of the host
  "/proc/scsi", // disks of the host, which can be removed here
  "/proc/timer_list", // processes of the host, and addresses of the kernel
  "/proc/timer_stats",
  "/proc/vmallocinfo", // addresses of the kernel
  "/sys/devices/system/cpu/cpu*/thermal_throttle", // what other processes do with it
  "/sys/devices/virtual/powercap", // what power is used for: it gives away keys of other processes
  "/sys/firmware", // tables of the firmware, and its variables
  "/sys/fs", // cgroups, and settings of file systems
  "/sys/hypervisor",
  "/sys/kernel/debug", // all that the kernel's developers want to see and set
  "/sys/kernel/security", // what the host's security module allows to whom
  "/sys/kernel/tracing", // what the kernel and all processes do
  "/sys/module", // parameters of the kernel's modules
  "/sys/power", // puts the machine to sleep
];

/**
 * The masks that protect the kernel's paths, in the order in which they have to be made: outer ones
 * first.
 *
 * @param field What asks for them.
 * @param pod Whether it has namespaces of its own, and with them a read-only /sys; whether it has a
 * network of its own.
 */
export function planMasks(
  field: string,
  { flavor, hasNetwork }: { flavor: Flavor; hasNetwork: boolean },
): Mask[] {
  const mask = (access: Access) => (target: string): Mask => ({ target, access, field });
  return [
    mask("read-only")(SETTINGS),
    ...(hasNetwork ? [NETWORK_SETTINGS] : []).map(mask("read-write")),
    ...(hasNetwork ? SHARED_NETWORK_SETTINGS : []).map(mask("read-only")),
    ...READONLY_PATHS.map(mask("read-only")),
    ...(flavor === "host" ? READONLY_SYS_PATHS : []).map(mask("read-only")),
    ...MASKED_PATHS.map(mask("hidden")),
  ];
}

/**
 * Finds the paths that a mask's path stands for.
 *
 * @param list Lists the names in a directory; none if it is not there.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const list = () => ["cpu0", "cpu10", "cpufreq"];
 * assertEquals(expandPath("/cpu/cpu*\/state", list), ["/cpu/cpu0/state", "/cpu/cpu10/state"]);
 * assertEquals(expandPath("/proc/keys", list), ["/proc/keys"]);
 * ```
 */
export function expandPath(path: string, list: (directory: string) => string[]): string[] {
  const star = path.indexOf("*");
  if (star < 0) return [path];
  const slash = path.lastIndexOf("/", star);
  const [directory, prefix] = [path.slice(0, slash), path.slice(slash + 1, star)];
  const isNumbered = (name: string) =>
    name.startsWith(prefix) && /^[0-9]+$/.test(name.slice(prefix.length));
  return list(directory).filter(isNumbered)
    .map((name) => `${directory}/${name}${path.slice(star + 1)}`);
}
