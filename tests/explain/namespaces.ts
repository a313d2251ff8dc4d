/**
 * What `explain` says of a pod's namespaces, and of what is set in them, against what the kernel says there.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { must } from "../host.ts";
import { NAMESPACES } from "../pod_processes.ts";
import { inNamespaces, type Seen } from "./seen.ts";

/** Interfaces that the kernel makes by itself in each new network, if it has their modules. */
const INTERFACES_OF_KERNEL = /^(lo|(tunl|sit|ip6tnl|gre|gretap|erspan|ip_vti|ip6_vti|ip6gre)0)$/;

/** The pod has the kinds of the plan for itself, shares them among its apps, and has the others of the host. */
export async function agreeOnNamespaces({ plan, apps, first, host }: Seen): Promise<void> {
  const own = plan.namespaces?.kinds ?? [];
  for (const kind of NAMESPACES) {
    // A whole app's mounts are always its own.
    const isOwn = kind === "mnt" || own.includes(kind);
    const ofHost = (await must(["readlink", `/proc/self/ns/${kind}`], host)).trim();
    const ofApps = apps.map(({ pid }) => Deno.readLinkSync(`/proc/${pid}/ns/${kind}`));
    assertEquals(ofApps.map((it) => it !== ofHost), ofApps.map(() => isOwn), kind);
    if (kind === "mnt") assertEquals(new Set(ofApps).size, apps.length);
    else if (first === undefined) continue;
    else assertEquals(ofApps, ofApps.map(() => Deno.readLinkSync(`/proc/${first}/ns/${kind}`)));
  }
}

export async function agreeOnHostname(seen: Seen): Promise<void> {
  const { pid } = seen.apps[0]!;
  assertEquals(
    (await inNamespaces(seen, pid, ["uts"], ["hostname"])).trim(),
    seen.plan.namespaces!.hostname,
  );
}

export function agreeOnUsers({ plan, apps }: Seen): void {
  assert(plan.users !== undefined);
  for (const { pid } of apps) {
    const map = Deno.readTextFileSync(`/proc/${pid}/uid_map`).trim().split(/\s+/).map(Number);
    assertEquals(map, [0, plan.users.shift, plan.users.count]);
  }
}

/** The interfaces of the pod's network are those of the plan, in its order. */
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

/** The host leads its ports to the pod's as the plan has the plugin `portmap` do. */
export async function agreeOnPorts({ plan: { network }, host }: Seen): Promise<void> {
  assert(network.kind === "contained");
  const calls = network.networks.flatMap(({ calls }) => calls)
    .filter(({ type }) => type === "portmap");
  const ports = calls.flatMap(({ configuration }) =>
    JSON.parse(configuration).runtimeConfig.portMappings
  );
  assert(ports.length > 0);
  const rules = await must(["iptables-save", "-t", "nat"], host);
  for (const { hostPort, containerPort, protocol } of ports) {
    const rule = `-p ${protocol} .*--dport ${hostPort} .*--to-destination [0-9.]+:${containerPort}`;
    assertMatch(rules, new RegExp(`${rule}$`, "m"));
  }
}

export async function agreeOnSysctls(seen: Seen): Promise<void> {
  const { pid } = seen.apps[0]!;
  assert(seen.plan.sysctls.length > 0);
  for (const { path, value } of seen.plan.sysctls) {
    assertEquals((await inNamespaces(seen, pid, ["net", "ipc"], ["cat", path])).trim(), value);
  }
}
