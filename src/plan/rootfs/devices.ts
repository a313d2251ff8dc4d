/**
 * Which devices an app may use, and which mounts may have device files at all. An app can make device files
 * by default, and its image can bring some.
 *
 * The devices are those that systemd calls closed, and any that a volume's source is.
 *
 * @module
 */

import type { DeviceRule } from "../../linux/device_rule.ts";
import type { DeviceNumber } from "../../linux/stat.ts";

/** The devices that every app may have, by name, with their numbers: the kernel's `devices.txt`. */
export const STANDARD_DEVICES: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  null: [1, 3],
  zero: [1, 5],
  full: [1, 7],
  random: [1, 8],
  urandom: [1, 9],
  tty: [5, 0],
};

/** /dev/pts has these. A file made elsewhere would be for the terminals of the host. */
const TERMINALS: readonly DeviceRule[] = [
  { kind: "character", major: 5, minor: 2, access: "rw" },
  { kind: "character", major: 136, access: "rw" },
];

/**
 * What an app may use.
 *
 * @param sources What the sources of its volumes are, each that is a device.
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
