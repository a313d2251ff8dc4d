/**
 * Reading isolators, the limits and privileges that an app asks for: appc spec 0.8.11,
 * `spec/ace.md`, "Isolators".
 *
 * @module
 */

import type { Isolator } from "./app.ts";
import {
  apparmorProfile,
  capabilitySet,
  cpuShares,
  noNewPrivileges,
  oomScoreAdj,
  readAmounts,
  readDeviceLimit,
  seccompSet,
  selinuxContext,
  sysctl,
} from "./isolator_values.ts";
import { checkValue } from "./parse.ts";

/** The place of an isolator in its manifest, for messages: `apps[0].app.isolators[2]`. */
export interface Placed {
  field: string;
}

/** A set whose elements are kept or removed. */
export interface SetIsolator extends Placed {
  mode: "retain" | "remove";
  set: string[];
}

/** `os/linux/seccomp-retain-set` or `-remove-set`. */
export interface SeccompIsolator extends SetIsolator {
  /** The name of the error that a refused call returns. Without it, a refused call kills. */
  errno?: string;
}

/** An amount that is set aside, and one that is not exceeded. */
export interface ResourceIsolator extends Placed {
  /** Bytes of memory, thousandths of a processor, or the unit that the isolator counts. */
  request?: number;
  limit?: number;
}

/** A single number that the kernel takes. */
interface NumberIsolator extends Placed {
  value: number;
}

/** All isolators of an app or pod, by subject. */
export interface Isolators {
  /** `os/linux/capabilities-retain-set` or `-remove-set`; names as in capabilities(7). */
  capabilities?: SetIsolator;
  /** `os/linux/no-new-privileges`. */
  noNewPrivileges?: Placed & { value: boolean };
  seccomp?: SeccompIsolator;
  /** `resource/memory`, in bytes. */
  memory?: ResourceIsolator;
  /** `resource/cpu`, in thousandths of a processor. */
  cpu?: ResourceIsolator;
  /** `resource/block-bandwidth`, in bytes per second. */
  blockBandwidth?: ResourceIsolator & { default?: boolean };
  /** `resource/block-iops`, in operations per second. */
  blockIops?: ResourceIsolator & { default?: boolean };
  /** `resource/network-bandwidth`, in bytes per second. */
  networkBandwidth?: ResourceIsolator & { default?: boolean };
  /** `os/linux/oom-score-adj`: -1000 to 1000. */
  oomScoreAdj?: NumberIsolator;
  /** `os/linux/cpu-shares`. */
  cpuShares?: NumberIsolator;
  /** `os/unix/sysctl`: dotted names, with their values. */
  sysctl?: Placed & { entries: Record<string, string> };
  /** `os/linux/selinux-context`. */
  selinuxContext?: Placed & { user: string; role: string; type: string; level: string };
  /** `os/linux/apparmor-profile`. */
  apparmorProfile?: Placed & { profile: string };
  /** Isolators that the spec does not know. */
  unknown: (Placed & { name: string })[];
}

/**
 * Reads an isolator's value. Returns what it adds to the other isolators. `field` is the isolator's
 * place.
 */
type Reader = (value: unknown, field: string) => Partial<Isolators>;

const READERS = new Map<string, Reader>([
  ["os/linux/capabilities-retain-set", (value, field) => readCapabilities("retain", value, field)],
  ["os/linux/capabilities-remove-set", (value, field) => readCapabilities("remove", value, field)],
  ["os/linux/seccomp-retain-set", (value, field) => readSeccomp("retain", value, field)],
  ["os/linux/seccomp-remove-set", (value, field) => readSeccomp("remove", value, field)],
  ["os/linux/no-new-privileges", (value, field) => ({
    noNewPrivileges: { field, value: checkValue(value, noNewPrivileges(), `${field}.value`) },
  })],
  ["os/linux/oom-score-adj", (value, field) => ({
    oomScoreAdj: { field, value: checkValue(value, oomScoreAdj(), `${field}.value`) },
  })],
  ["os/linux/cpu-shares", (value, field) => ({
    cpuShares: { field, value: checkValue(value, cpuShares(), `${field}.value`) },
  })],
  ["os/linux/selinux-context", (value, field) => ({
    selinuxContext: { field, ...checkValue(value, selinuxContext(), `${field}.value`) },
  })],
  ["os/linux/apparmor-profile", (value, field) => ({
    apparmorProfile: { field, ...checkValue(value, apparmorProfile(), `${field}.value`) },
  })],
  ["os/unix/sysctl", (value, field) => ({
    sysctl: { field, entries: checkValue(value, sysctl(), `${field}.value`) },
  })],
  ["resource/memory", (value, field) => ({
    memory: { field, ...readAmounts(value, 1, `${field}.value`) },
  })],
  ["resource/cpu", (value, field) => ({
    cpu: { field, ...readAmounts(value, 1000, `${field}.value`) },
  })],
  ["resource/block-bandwidth", (value, field) => ({
    blockBandwidth: { field, ...readDeviceLimit(value, `${field}.value`) },
  })],
  ["resource/block-iops", (value, field) => ({
    blockIops: { field, ...readDeviceLimit(value, `${field}.value`) },
  })],
  ["resource/network-bandwidth", (value, field) => ({
    networkBandwidth: { field, ...readDeviceLimit(value, `${field}.value`) },
  })],
]);

/** Isolators that an app or pod may have only once, under whichever of their names. */
const SINGLE: readonly (Exclude<keyof Isolators, "unknown">)[] = [
  "seccomp",
  "oomScoreAdj",
  "cpuShares",
  "sysctl",
  "selinuxContext",
  "apparmorProfile",
];

/**
 * Reads the isolators of an app or a pod.
 *
 * Several capability sets of one kind count as one. Of the other isolators that may occur more than
 * once, the last one counts.
 *
 * @param list The isolators of the manifest.
 * @param field The place of the list in the manifest, with which paths begin:
 * `apps[0].app.isolators`.
 * @throws {Error} when an isolator is wrong, or two exclude each other; one line, which names the
 * field.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const list = [{ name: "resource/cpu", value: { limit: "0.5" } }];
 * assertEquals(readIsolators(list, "isolators").cpu, { field: "isolators[0]", limit: 500 });
 * ```
 */
export function readIsolators(list: readonly Isolator[], field: string): Isolators {
  const isolators: Isolators = { unknown: [] };
  list.forEach(({ name, value }, i) => {
    const place = `${field}[${i}]`;
    const read = READERS.get(name);
    if (read) addIsolator(isolators, read(value, place), place);
    else isolators.unknown.push({ name, field: place });
  });
  return isolators;
}

function addIsolator(isolators: Isolators, added: Partial<Isolators>, field: string): void {
  const earlier = SINGLE.find((key) => added[key] && isolators[key]);
  if (earlier) throw exclusion(field, isolators[earlier]);
  Object.assign(isolators, added, uniteCapabilities(isolators, added));
}

function uniteCapabilities(
  { capabilities: earlier }: Isolators,
  { capabilities: added }: Partial<Isolators>,
): Partial<Isolators> {
  if (!earlier || !added) return {};
  if (earlier.mode !== added.mode) throw exclusion(added.field, earlier);
  for (const capability of added.set) earlier.set.push(capability);
  return { capabilities: { ...added, set: earlier.set } };
}

function exclusion(field: string, earlier: Placed | undefined): Error {
  return new Error(`${field}: cannot be used along with ${earlier?.field}`);
}

function readCapabilities(
  mode: SetIsolator["mode"],
  value: unknown,
  field: string,
): Partial<Isolators> {
  const { set } = checkValue(value, capabilitySet(), `${field}.value`);
  return { capabilities: { field, mode, set } };
}

function readSeccomp(
  mode: SetIsolator["mode"],
  value: unknown,
  field: string,
): Partial<Isolators> {
  const { set, errno } = checkValue(value, seccompSet(), `${field}.value`);
  return { seccomp: { field, mode, set, ...(errno === "" ? {} : { errno }) } };
}
