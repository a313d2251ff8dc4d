/**
 * Settings of the kernel that a pod asks for: appc spec 0.8.11, `spec/ace.md`, "os/unix/sysctl".
 *
 * @module
 */

import type { Isolators } from "../appc/isolators.ts";
import { readSetting } from "../linux/kernel_file.ts";
import type { NamespaceKind } from "../linux/namespaces.ts";
import { withContext } from "../stage1/context.ts";

/** The host's values by the names that a pod asks for; `undefined` where the kernel has no such setting. */
export type HostSettings = ReadonlyMap<string, string | undefined>;

/**
 * Reads the host's values of the settings that a pod asks for.
 *
 * @throws {Error} which names the isolator, when a name is none or its setting cannot be read.
 */
export function readHostSettings({ sysctl }: Isolators): HostSettings {
  if (sysctl === undefined) return new Map();
  return withContext(`${sysctl.field} (os/unix/sysctl)`, () => {
    const names = Object.keys(sysctl.entries);
    return new Map(names.map((name) => [name, readSetting(sysctlPath(name))]));
  });
}

/**
 * Checks that the pod finds the settings that it asks for. It shares them with the host, where nothing is
 * changed for one pod's sake: what is not so already is refused.
 *
 * @throws {Error} which names the setting, and the host's value.
 */
export function requireSettings({ sysctl }: Isolators, host: HostSettings): void {
  for (const [name, wanted] of Object.entries(sysctl?.entries ?? {})) {
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

/** A setting that a namespace of the pod's gets. */
export interface SettingStep {
  /** In /proc, as a process in the namespace sees it. */
  path: string;
  value: string;
  /** What asks for it: the isolator and the setting. */
  field: string;
}

/** Whose a setting is, by the beginning of its path below /proc/sys: network_namespaces(7), ipc_namespaces(7). */
const OWNERS: readonly [beginning: RegExp, namespace: NamespaceKind][] = [
  [/^net\//, "net"],
  [/^kernel\/(msg|sem|shm)/, "ipc"],
  [/^fs\/mqueue\//, "ipc"],
];

/**
 * Decides which settings the pod gets: those that belong to its own namespaces. Others it has to find as it asks
 * for them.
 *
 * @param ofApps An app can only ask for what the pod asks for as well, or the host has: all share one setting.
 * @param namespaces Those that the pod has for itself.
 * @throws {Error} which names the setting that cannot be had.
 */
export function planSettings(
  ofPod: Isolators,
  ofApps: readonly Isolators[],
  namespaces: readonly NamespaceKind[],
): SettingStep[] {
  for (const isolators of [ofPod, ...ofApps]) checkNames(isolators);
  const owned = keep(ofPod, (name) => isOwned(name, namespaces));
  const shared = [ofPod, ...ofApps].map((it) => keep(it, (name) => !isOwned(name, namespaces)));
  for (const isolators of shared) requireSettings(isolators, readHostSettings(isolators));
  for (const isolators of ofApps) requireOfPod(isolators, owned, namespaces);
  const { field, entries = {} } = owned.sysctl ?? {};
  return Object.entries(entries).map(([name, value]) => ({
    path: sysctlPath(name),
    value,
    field: `${field} (os/unix/sysctl): ${name}=${value}`,
  }));
}

function checkNames({ sysctl }: Isolators): void {
  const names = Object.keys(sysctl?.entries ?? {});
  withContext(`${sysctl?.field} (os/unix/sysctl)`, () => names.forEach(sysctlPath));
}

function isOwned(name: string, namespaces: readonly NamespaceKind[]): boolean {
  const path = sysctlPath(name).slice("/proc/sys/".length);
  const [, owner] = OWNERS.find(([beginning]) => beginning.test(path)) ?? [];
  return owner !== undefined && namespaces.includes(owner);
}

function keep({ sysctl }: Isolators, wanted: (name: string) => boolean): Isolators {
  if (sysctl === undefined) return { unknown: [] };
  const entries = Object.entries(sysctl.entries).filter(([name]) => wanted(name));
  return { unknown: [], sysctl: { ...sysctl, entries: Object.fromEntries(entries) } };
}

function requireOfPod(
  { sysctl }: Isolators,
  owned: Isolators,
  namespaces: readonly NamespaceKind[],
): void {
  const ofPod = owned.sysctl?.entries ?? {};
  for (const [name, value] of Object.entries(sysctl?.entries ?? {})) {
    if (!isOwned(name, namespaces) || ofPod[name] === value) continue;
    throw new Error(
      `${
        sysctl!.field
      } (os/unix/sysctl): ${name}=${value} cannot be had: it would be the whole pod's, ` +
        `whose own isolators do not ask for it`,
    );
  }
}

/**
 * Where the kernel shows a setting. As in sysctl(8), whichever of `.` and `/` comes first separates,
 * and the other one stands for a dot that is part of a name.
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

/** Values of more than one number are shown with tabs between them, and may be asked for with spaces. */
function words(value: string): string {
  return value.trim().split(/\s+/).join(" ");
}
