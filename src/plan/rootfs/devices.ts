/**
 * The devices that an app may use. By default, an app can make device files, and its image can
 * contain some.
 *
 * The devices are the standard ones of systemd's closed device policy, and those that are sources
 * of volumes.
 *
 * @module
 */

import type { DeviceRule } from "../../linux/device_rule.ts";
import type { DeviceNumber } from "../../linux/stat.ts";

/** The devices that every app may use, by name, with their numbers: the kernel's `devices.txt`. */
export const STANDARD_DEVICES = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0],
} as const satisfies Readonly<Record<string, readonly [major: number, minor: number]>>;

/**
 * The terminals in /dev/pts. An app may not make files for them: a file that is made elsewhere
 * would stand for a terminal of the host.
 */
const TERMINALS: readonly DeviceRule[] = [
  { kind: "character", major: 5, minor: 2, access: "rw" },
  { kind: "character", major: 136, access: "rw" },
];

/**
 * Decides which devices an app may use.
 *
 * @param sources The devices that are sources of its volumes.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { ruleText } from "../../linux/device_rule.ts";
 * const rules = planDevices([{ kind: "block", major: 8, minor: 1 }]).map(ruleText);
 * assertEquals(rules[0], "c 1:3 rwm");
 * assertEquals(rules.slice(-2), ["c 136:* rw", "b 8:1 rw"]);
 * ```
 */
export function planDevices(sources: readonly DeviceNumber[]): DeviceRule[] {
  return [
    ...Object.values(STANDARD_DEVICES).map(([major, minor]): DeviceRule => ({
      kind: "character",
      major,
      minor,
      access: "rwm",
    })),
    ...TERMINALS,
    ...sources.map((device): DeviceRule => ({ ...device, access: "rw" })),
  ];
}
