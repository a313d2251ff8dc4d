/**
 * Settings of the kernel that a pod asks for: appc spec 0.8.11, `spec/ace.md`, "os/unix/sysctl".
 *
 * @module
 */

import type { Isolators } from "../appc/isolators.ts";
import type { NamespaceKind } from "../linux/clone_flags.ts";
import { withContext } from "../stage1/context.ts";

/**
 * The host's values, by the names that a pod asks for; `undefined` where the kernel has no such
 * setting.
 */
export type HostSysctls = ReadonlyMap<string, string | undefined>;

/** A setting of the host's whose value the plan needs. */
export interface SysctlQuestion {
  /** In the pod's spelling. */
  name: string;
  path: string;
  /** The isolator that asks for it. */
  field: string;
}

/**
 * Lists the settings that isolators ask for and that the pod shares with the host.
 *
 * @param namespaces The kinds of namespaces that the pod has for itself.
 * @throws {Error} when a name is not that of a setting; the message names the isolator.
 */
export function sharedSysctls(
  { sysctl }: Isolators,
  namespaces: readonly NamespaceKind[],
): SysctlQuestion[] {
  if (sysctl === undefined) return [];
  const field = `${sysctl.field} (os/unix/sysctl)`;
  return withContext(field, () =>
    Object.keys(sysctl.entries)
      .map((name) => ({ name, path: sysctlPath(name), field }))
      .filter(({ name }) => !isOwned(name, namespaces)));
}

/**
 * Checks that the settings which the pod shares with the host have the values that it asks for.
 * Nothing of the host is changed for one pod, so another value is refused.
 *
 * @throws {Error} when a value differs; the message names the setting, and the host's value.
 */
function requireShared(
  { sysctl }: Isolators,
  namespaces: readonly NamespaceKind[],
  host: HostSysctls,
): void {
  for (const [name, wanted] of Object.entries(sysctl?.entries ?? {})) {
    if (isOwned(name, namespaces)) continue;
    const value = host.get(name);
    if (value !== undefined && words(value) === words(wanted)) continue;
    const why = value === undefined
      ? "this kernel has no such setting"
      : `it is ${
        JSON.stringify(words(value))
      } on this host, whose settings the pod shares and does not change`;
    throw new Error(
      `${sysctl!.field} (os/unix/sysctl): ${name}=${words(wanted)} cannot be had: ${why}`,
    );
  }
}

/** A setting that is written in a namespace of the pod's. */
export interface SysctlStep {
  /** Its path in /proc, as a process in the namespace sees it. */
  path: string;
  value: string;
  /** The isolator and the setting, as messages name them. */
  field: string;
}

/**
 * The kind of namespace that a setting belongs to, by the beginning of its path below /proc/sys:
 * network_namespaces(7), ipc_namespaces(7).
 */
const OWNERS: readonly [beginning: RegExp, namespace: NamespaceKind][] = [
  [/^net\//, "net"],
  [/^kernel\/(msg|sem|shm)/, "ipc"],
  [/^fs\/mqueue\//, "ipc"],
];

/**
 * Decides which settings are written for the pod: those that belong to its own namespaces. The
 * others must already have the values that it asks for.
 *
 * @param ofApps An app can only ask for a value that its pod asks for as well, or that the host
 * has: all apps share one setting.
 * @param namespaces The kinds of namespaces that the pod has for itself.
 * @throws {Error} when a setting cannot have its value; the message names the setting.
 */
export function planSysctls(
  ofPod: Isolators,
  ofApps: readonly Isolators[],
  namespaces: readonly NamespaceKind[],
  host: HostSysctls,
): SysctlStep[] {
  requireShared(ofPod, namespaces, host);
  for (const isolators of ofApps) requireSysctls(isolators, ofPod, namespaces, host);
  const { field, entries = {} } = ofPod.sysctl ?? {};
  return Object.entries(entries).filter(([name]) => isOwned(name, namespaces))
    .map(([name, value]) => ({
      path: sysctlPath(name),
      value,
      field: `${field} (os/unix/sysctl): ${name}=${value}`,
    }));
}

/**
 * Checks that an app finds the settings that it asks for: in its pod, or on the host. None is
 * written for it.
 *
 * @throws {Error} when a setting cannot have its value; the message names the setting.
 */
export function requireSysctls(
  ofApp: Isolators,
  ofPod: Isolators,
  namespaces: readonly NamespaceKind[],
  host: HostSysctls,
): void {
  requireShared(ofApp, namespaces, host);
  requireOfPod(ofApp, ofPod, namespaces);
}

function isOwned(name: string, namespaces: readonly NamespaceKind[]): boolean {
  const path = sysctlPath(name).slice("/proc/sys/".length);
  const [, owner] = OWNERS.find(([beginning]) => beginning.test(path)) ?? [];
  return owner !== undefined && namespaces.includes(owner);
}

function requireOfPod(
  { sysctl }: Isolators,
  ofPod: Isolators,
  namespaces: readonly NamespaceKind[],
): void {
  for (const [name, value] of Object.entries(sysctl?.entries ?? {})) {
    if (!isOwned(name, namespaces) || ofPod.sysctl?.entries[name] === value) continue;
    throw new Error(
      `${
        sysctl!.field
      } (os/unix/sysctl): ${name}=${value} cannot be had: it would be the whole pod's, ` +
        `whose own isolators do not ask for it`,
    );
  }
}

/**
 * Returns the path by which the kernel shows a setting. As in sysctl(8), whichever of `.` and `/`
 * comes first separates, and the other one stands for a dot in a name.
 *
 * @throws {Error} when it is not the name of a setting.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(sysctlPath("net.ipv4.ip_forward"), "/proc/sys/net/ipv4/ip_forward");
 * assertEquals(sysctlPath("net.ipv4.conf.eth0/1.mtu"), "/proc/sys/net/ipv4/conf/eth0.1/mtu");
 * assertEquals(sysctlPath("net/ipv4/conf/eth0.1/mtu"), "/proc/sys/net/ipv4/conf/eth0.1/mtu");
 * ```
 */
export function sysctlPath(name: string): string {
  const separator = name.match(/[./]/)?.[0] ?? ".";
  const parts = name.split(separator).map((part) => part.replaceAll("/", "."));
  if (parts.some((part) => ["", ".", ".."].includes(part))) {
    throw new Error(`${JSON.stringify(name)} is not the name of a setting`);
  }
  return `/proc/sys/${parts.join("/")}`;
}

/** The kernel shows tabs between several numbers of a value; a manifest may have spaces. */
function words(value: string): string {
  return value.trim().split(/\s+/).join(" ");
}
