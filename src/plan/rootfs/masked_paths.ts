/**
 * The paths of /proc and /sys through which a process that is root can reach the whole machine, or
 * learn about it, and how they are masked: made read-only, or hidden.
 *
 * They are the paths of rkt's default stage1, docker and systemd-nspawn together, and some more. In
 * one case this list is less strict than one of the three: systemd-nspawn hides
 * /proc/sysrq-trigger. Nobody can read from it anyway, and users of rkt expect `Read-only file
 * system` when they write to it.
 *
 * @module
 */

import type { Flavor } from "../../stage1/flavor.ts";

/** What an app may do with a path. */
export type Access = "hidden" | "read-only" | "read-write";

/** How a path of the kernel's is masked, if it exists. */
export interface MaskedPath {
  /** The name of a directory may end in `*`, which stands for any number. */
  target: string;
  access: Access;
  /** The field or option that asks for it. */
  field: string;
}

/**
 * Settings of the kernel. Most belong to the whole machine, and root can write to them without any
 * capability.
 */
const SETTINGS = "/proc/sys";

/** Settings of a network, which is the pod's if it has its own. */
const NETWORK_SETTINGS = "/proc/sys/net";

/**
 * Settings below {@linkcode NETWORK_SETTINGS} that belong to the whole machine in every network. Of
 * all settings there on Linux 6.18, no other one shows elsewhere when it is written to. Once on,
 * this one stays on until the machine restarts.
 */
const SHARED_NETWORK_SETTINGS = ["/proc/sys/net/netfilter/nf_hooks_lwtunnel"];

/** Paths that are visible but cannot be written to. */
const READONLY_PATHS = [
  "/proc/apm", // settings of power management
  "/proc/bus", // pci: the registers of devices
  "/proc/dynamic_debug", // what the kernel logs
  "/proc/fs", // settings of the host's file systems
  "/proc/irq", // which processors serve which interrupts
  "/proc/mtrr", // how memory is cached
  "/proc/sysrq-trigger", // restarts the machine, among other things
];

/**
 * Nearly all of /sys is settings, and capabilities protect few of them. An isolated pod's /sys is
 * read-only as a whole.
 */
const READONLY_SYS_PATHS = [
  "/sys/block",
  "/sys/bus",
  "/sys/class",
  "/sys/dev",
  "/sys/devices",
  "/sys/kernel",
];

/** Hidden paths; each is a file or a directory. */
const MASKED_PATHS = [
  "/proc/acpi", // settings of what wakes the machine
  "/proc/asound", // the machine's sound
  "/proc/config.gz", // how the kernel was built
  "/proc/interrupts", // counts each key that is pressed on the machine
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
  "/proc/scsi", // removes disks of the host
  "/proc/timer_list", // processes of the host, and addresses of the kernel
  "/proc/timer_stats",
  "/proc/vmallocinfo", // addresses of the kernel
  "/sys/devices/system/cpu/cpu*/thermal_throttle", // how busy other processes keep it
  "/sys/devices/virtual/powercap", // how much power is used, which reveals other processes' keys
  "/sys/firmware", // tables of the firmware, and its variables
  "/sys/fs", // settings of file systems, and cgroups, of which an isolated app sees its own
  "/sys/hypervisor",
  "/sys/kernel/debug", // what the kernel's developers want to see and set
  "/sys/kernel/security", // the rules of the host's security module
  "/sys/kernel/tracing", // what the kernel and all processes do
  "/sys/module", // parameters of the kernel's modules
  "/sys/power", // puts the machine to sleep
];

/**
 * Returns the masks that protect the kernel's paths, in the order in which they have to be made:
 * outer ones first.
 *
 * @param field The field or option that asks for them.
 * @param pod Its flavor, because an isolated pod has a read-only /sys of its own; and whether it
 * has a network of its own.
 */
export function planMaskedPaths(
  field: string,
  { flavor, hasNetwork }: { flavor: Flavor; hasNetwork: boolean },
): MaskedPath[] {
  const mask = (access: Access) => (target: string): MaskedPath => ({ target, access, field });
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
