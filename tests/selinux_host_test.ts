/** Tests of the image on a host that enforces an SELinux policy written for these tests. */

import { assertPrints, assertQuiet, assertRefused } from "./expect.ts";
import { planMachine } from "./machine_scenario.ts";
import { AMD64 } from "./virtual_machine.ts";

/**
 * Contexts that the kernel finds by number, in its order: refpolicy's `policy/flask/initial_sids`.
 */
const INITIAL_SIDS = [
  ...["kernel", "security", "unlabeled", "fs", "file", "file_labels", "init", "any_socket"],
  ...["port", "netif", "netmsg", "node", "igmp_packet", "icmp_socket", "tcp_socket"],
  ...["sysctl_modprobe", "sysctl", "sysctl_fs", "sysctl_kernel", "sysctl_net", "sysctl_net_unix"],
  ...["sysctl_vm", "sysctl_dev", "kmod", "policy", "scmp_packet", "devnull"],
];

/** A policy that allows everything but transitions to contexts that it does not name. */
const POLICY = [
  "class process",
  ...INITIAL_SIDS.map((sid) => `sid ${sid}`),
  "class process { transition dyntransition }",
  "sensitivity s0;",
  "dominance { s0 }",
  "category c0;",
  "category c1;",
  "level s0:c0.c1;",
  // A policy with levels must have at least one rule about them.
  "mlsconstrain process transition (h1 dom h2 or h1 domby h2);",
  ...["host_t", "app_t", "other_t"].map((type) => `type ${type};`),
  "role volo_r;",
  "role volo_r types { host_t app_t other_t };",
  "allow host_t { host_t app_t } : process transition;",
  "user volo_u roles { volo_r } level s0 range s0 - s0:c0.c1;",
  ...INITIAL_SIDS.map((sid) => `sid ${sid} volo_u:volo_r:host_t:s0`),
  "",
].join("\n");

const machineScenario = planMachine({
  machine: AMD64,
  security: { module: "selinux", policy: POLICY },
});

/** Prints the process's context without the zero byte that ends it. */
const CONTEXT = "tr -d '\\0' </proc/self/attr/current";

function inContext(type: string) {
  const value = { user: "volo_u", role: "volo_r", type, level: "s0:c0,c1" };
  return { isolators: [{ name: "os/linux/selinux-context", value }] };
}

machineScenario("an app runs in its SELinux context", {
  script: CONTEXT,
  app: inContext("app_t"),
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "volo_u:volo_r:app_t:s0:c0,c1");
});

machineScenario("an app without a context has that of its caller", {
  script: CONTEXT,
}, (result) => {
  assertQuiet(result);
  assertPrints(result, "volo_u:volo_r:host_t:s0");
});

machineScenario("a context that the policy does not know is refused", {
  script: CONTEXT,
  app: inContext("missing_t"),
}, (result) => assertRefused(result, "run", /volo_u:volo_r:missing_t:s0:c0,c1 is not available/));

machineScenario("a context that the policy does not allow is refused", {
  script: CONTEXT,
  app: inContext("other_t"),
}, (result) => assertRefused(result, "run", /exec\[0\]: execve.*EACCES/));
