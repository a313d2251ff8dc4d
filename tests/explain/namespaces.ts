/**
 * Compares what `explain` says of a pod's namespaces, and of what is set in them, with what the
 * kernel says there.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { must } from "../host.ts";
import { NAMESPACES } from "../pod_processes.ts";
import { inNamespaces, type Seen } from "./seen.ts";

/** Interfaces that the kernel makes by itself in each new network, if it has their modules. */
const INTERFACES_OF_KERNEL = /^(lo|(tunl|sit|ip6tnl|gre|gretap|erspan|ip_vti|ip6_vti|ip6gre)0)$/;

/**
 * Checks that the pod has the kinds of the plan for itself, that its apps share them, and that the
 * others are the host's. Each app has mounts of its own, and each process that begins has its own
 * view of cgroups, where the pod has one.
 */
export async function agreeOnNamespaces({ plan, apps, first, host }: Seen): Promise<void> {
  const own = plan.namespaces?.kinds ?? [];
  for (const kind of NAMESPACES) {
    const isOwn = kind === "mnt" || own.includes(kind);
    const ofHost = (await must(["readlink", `/proc/self/ns/${kind}`], host)).trim();
    const ofApps = apps.map(({ pid }) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`));
    assertEquals(ofApps.map((it) => it !== ofHost), ofApps.map(() => isOwn), kind);
    if (kind === "mnt" || (kind === "cgroup" && isOwn)) {
      assertEquals(new Set(ofApps).size, apps.length);
    } else if (first === undefined) continue;
    else assertEquals(ofApps, ofApps.map(() => Deno.readLinkSync(`/proc/${first}/ns/${kind}`)));
  }
}

/** Checks what the pod's host is called. */
export async function agreeOnHostname(seen: Seen): Promise<void> {
  const { pid } = seen.apps[0]!;
  assertEquals(
    (await inNamespaces(seen, pid, ["uts"], ["hostname"])).trim(),
    seen.plan.namespaces!.hostname,
  );
}

/** Checks which of the host's ids are the pod's. */
export function agreeOnUsers({ plan, apps }: Seen): void {
  assert(plan.users !== undefined);
  for (const { pid } of apps) {
    const map = Deno.readTextFileSync(`/proc/${pid}/uid_map`).trim().split(/\s+/).map(Number);
    assertEquals(map, [0, plan.users.shift, plan.users.count]);
  }
}

/** Checks that the interfaces of the pod's network are those of the plan, in its order. */
export function agreeOnNetwork({ plan: { network }, apps }: Seen): void {
  if (network.kind === "host") return;
  const planned = network.kind === "none" ? [] : network.networks.map(({ ifName }) => ifName);
  for (const { pid } of apps) {
    const lines = Deno.readTextFileSync(`/proc/${pid}/net/dev`).split("\n").slice(2);
    const names = lines.filter((line) => line !== "").map((line) => line.split(":")[0]!.trim());
    assert(names.includes("lo"));
    assertEquals(names.filter((name) => !INTERFACES_OF_KERNEL.test(name)), planned);
  }
}

/** Checks that the host leads its ports to the pod's as the plan has the plugin `portmap` do. */
export async function agreeOnPorts({ plan: { network }, host }: Seen): Promise<void> {
  assert(network.kind === "contained");
  const calls = network.networks.flatMap(({ calls }) => calls)
    .filter(({ type }) => type === "portmap");
  const ports = calls.flatMap(({ configuration }) =>
    JSON.parse(configuration).runtimeConfig.portMappings
  );
  assert(ports.length > 0);
  const rules = await must(["iptables-save", "-t", "nat"], host);
  const hidesHost = calls.every(({ configuration }) => JSON.parse(configuration).snat);
  assertEquals(/ -j CNI-HOSTPORT-SETMARK/.test(rules), hidesHost);
  for (const { hostPort, containerPort, protocol } of ports) {
    const rule = `-p ${protocol} .*--dport ${hostPort} .*--to-destination [0-9.]+:${containerPort}`;
    assertMatch(rules, new RegExp(`${rule}$`, "m"));
  }
}

/** Checks that each direction has the rate that the plan has the plugin `bandwidth` set. */
export async function agreeOnBandwidth({ plan: { network }, host }: Seen): Promise<void> {
  assert(network.kind === "contained");
  const [call] = network.networks.flatMap(({ calls }) => calls)
    .filter(({ type }) => type === "bandwidth");
  const { ingressRate, egressRate } = JSON.parse(call!.configuration).runtimeConfig.bandwidth;
  assertEquals(ingressRate, egressRate);
  const queues: { kind: string; options: { rate?: number } }[] = JSON.parse(
    await must(["tc", "-j", "qdisc", "show"], host),
  );
  const rates = queues.filter(({ kind }) => kind === "tbf").map(({ options }) => options.rate);
  assertEquals(rates, [ingressRate / 8, egressRate / 8]);
}

/** Checks the settings of the kernel in the pod's namespaces. */
export async function agreeOnSysctls(seen: Seen): Promise<void> {
  const { pid } = seen.apps[0]!;
  assert(seen.plan.sysctls.length > 0);
  for (const { path, value } of seen.plan.sysctls) {
    assertEquals((await inNamespaces(seen, pid, ["net", "ipc"], ["cat", path])).trim(), value);
  }
}
