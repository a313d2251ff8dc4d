import { assertEquals } from "@std/assert";
import { type Access, planMaskedPaths } from "./masked_paths.ts";

/** What each program hides, and what it makes read-only. */
const OTHERS: Record<string, { hidden: string[]; readOnly: string[] }> = {
  "rkt's default stage1": {
    hidden: [
      ...["/sys/firmware", "/sys/fs", "/sys/hypervisor", "/sys/module", "/sys/power"],
      ...["/proc/config.gz", "/proc/kallsyms", "/proc/sched_debug", "/proc/kcore"],
      ...["/proc/kmem", "/proc/mem"],
    ],
    readOnly: [
      ...["/proc/bus", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe"],
      ...["/proc/sys/vm/panic_on_oom", "/proc/sysrq-trigger", "/sys/block", "/sys/bus"],
      ...["/sys/class", "/sys/dev", "/sys/devices", "/sys/kernel"],
    ],
  },
  "docker": {
    hidden: [
      ...["/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys"],
      ...["/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"],
      ...["/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"],
      "/sys/devices/system/cpu/cpu*/thermal_throttle",
    ],
    readOnly: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  },
  "systemd-nspawn": {
    hidden: ["/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/timer_list"],
    readOnly: [
      ...["/proc/sys", "/proc/acpi", "/proc/apm", "/proc/asound", "/proc/bus", "/proc/fs"],
      ...["/proc/irq", "/proc/scsi"],
      // systemd-nspawn hides it: see the module's comment.
      "/proc/sysrq-trigger",
    ],
  },
};

const STRENGTH: Access[] = ["read-write", "read-only", "hidden"];

/** What becomes of a path: the last mask that is on it, or above it. */
function accessTo(
  path: string,
  options: Parameters<typeof planMaskedPaths>[1],
): Access | undefined {
  const masks = planMaskedPaths("field", options);
  return masks.findLast(({ target }) => path === target || path.startsWith(`${target}/`))?.access;
}

for (const [program, { hidden, readOnly }] of Object.entries(OTHERS)) {
  Deno.test(`what ${program} hides or makes read-only is so at the least`, () => {
    const host = { flavor: "host", hasNetwork: false } as const;
    const isAtLeast = (access: Access) => (path: string) =>
      STRENGTH.indexOf(accessTo(path, host) ?? "read-write") >= STRENGTH.indexOf(access);
    assertEquals(hidden.filter((path) => !isAtLeast("hidden")(path)), []);
    assertEquals(readOnly.filter((path) => !isAtLeast("read-only")(path)), []);
  });
}

Deno.test("an isolated pod has the same but for its /sys, which is read-only as a whole", () => {
  const targets = (flavor: "host" | "isolated") =>
    planMaskedPaths("field", { flavor, hasNetwork: false }).map(({ target }) => target);
  const ofPod = new Set(targets("isolated"));
  const missing = targets("host").filter((path) => !ofPod.has(path));
  assertEquals(missing.every((path) => /^\/sys\/[a-z]+$/.test(path)), true, missing.join(" "));
});

Deno.test("settings of the pod's own network can be written to, those of all networks not", () => {
  const withNetwork = { flavor: "isolated", hasNetwork: true } as const;
  const without = { ...withNetwork, hasNetwork: false };
  const [own, all] = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/netfilter/nf_hooks_lwtunnel"];
  assertEquals([accessTo(own, withNetwork), accessTo(all, withNetwork)], [
    "read-write",
    "read-only",
  ]);
  assertEquals([accessTo(own, without), accessTo(all, without)], ["read-only", "read-only"]);
  assertEquals(accessTo("/proc/sys/kernel/core_pattern", withNetwork), "read-only");
});

Deno.test("no mask undoes one that has been made before", () => {
  const masks = planMaskedPaths("field", { flavor: "host", hasNetwork: true });
  masks.forEach(({ target, access }, i) => {
    const covered = masks.slice(0, i).filter((other) => other.target.startsWith(`${target}/`));
    assertEquals(covered, [], `${target} (${access}) covers what is masked already`);
  });
});
