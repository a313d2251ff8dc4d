/**
 * Single steps of a plan in words: what `--debug` says while they are carried out, and what
 * `describe.ts` puts together.
 *
 * @module
 */

import { ruleText } from "../linux/device_rule.ts";
import type { CgroupLimit, CgroupPlan } from "./cgroup/placement.ts";
import type { PodCgroupPlan } from "./cgroup/pod_cgroups.ts";
import type { Access, MaskedPath } from "./rootfs/masked_paths.ts";
import {
  type DirectoryStep,
  isLeftToVolumes,
  type MountStep,
  type ShareStep,
} from "./rootfs/mount_steps.ts";

/** Describes a directory of an `empty` volume. */
export function describeDirectory({ path, mode, uid, gid }: DirectoryStep): string {
  return `make directory ${path} (mode ${octal(mode)}, owner ${uid}:${gid})`;
}

/** Describes a change to the host's mount table. */
export function describeShare({ mountPoint }: ShareStep): string {
  return `share the host's mount ${mountPoint}`;
}

/**
 * Describes a mount or file in the app's root.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const options = { mode: "1777" };
 * assertEquals(
 *   describeMount({
 *     kind: "tmpfs",
 *     target: "/tmp",
 *     options,
 *     field: "/tmp",
 *   }),
 *   "mount tmpfs on /tmp (mode=1777)",
 * );
 * ```
 */
export function describeMount(step: MountStep): string {
  switch (step.kind) {
    case "bind": {
      const how = [
        step.recursive ? "rbind" : "bind",
        step.readOnly ? "ro" : "rw",
        ...(step.noDevices ? ["nodev"] : []),
        PROPAGATION[step.propagation],
      ];
      const source = step.leadsTo === undefined
        ? step.source
        : `${step.source} (which is ${step.leadsTo})`;
      const unless = isLeftToVolumes(step.role) ? ", unless a volume is there" : "";
      return `mount ${source} on ${step.target} (${how.join(", ")})${unless}`;
    }
    case "tmpfs": {
      const options = Object.entries(step.options).map(([key, value]) => `${key}=${value}`);
      return `mount tmpfs on ${step.target} (${options.join(", ")})`;
    }
    case "host-tree":
      return `mount the host's ${step.target} (rbind, host's later mounts come in)`;
    case "pod-tree":
      return `mount the pod's ${step.source} on ${step.target} (${access(step)})`;
    case "cgroup":
      return `show the app's cgroup ${step.source} on ${step.target} (${access(step)})`;
    case "mask":
      return describeMask(step);
    case "rebind":
      return `make ${step.target} a mount of its own (${access(step)})`;
    case "directory":
      return `make directory ${step.target} (mode ${octal(step.mode)}) if the app has none`;
    case "file":
      return `write ${step.target} if the app has none`;
  }
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function access({ readOnly }: { readOnly: boolean }): string {
  return readOnly ? "ro" : "rw";
}

/** Describes how a path of the kernel's is masked. */
export function describeMask({ target, access }: MaskedPath): string {
  return `${MASK[access]} ${target}, if it is there`;
}

/** Describes masks, which have to be made in their order, with few lines. */
export function describeMasks(masks: readonly MaskedPath[]): string[] {
  const lines: string[] = [];
  masks.forEach(({ target, access }, i) => {
    const line = lines.at(-1);
    const fits = line !== undefined && access === masks[i - 1]?.access &&
      line.length + target.length < LONGEST_LIST;
    if (fits) lines.push(`${lines.pop()}, ${target}`);
    else lines.push(`${MASK[access]} ${target}`);
  });
  return lines.length === 0
    ? []
    : ["of the kernel's paths, as far as they are there:", ...indent(lines)];
}

/** Describes a cgroup of the pod, and what is done in it. */
export function describeCgroup(plan: CgroupPlan | PodCgroupPlan): string[] {
  const { path, enable, limits } = plan;
  const moves = "apps" in plan
    ? plan.moveSelfOut === undefined ? [] : [`move run to ${plan.moveSelfOut}`]
    : ["move run into it"];
  const inherited = "inherited" in plan ? plan.inherited : [];
  return [
    `make cgroup ${path}`,
    ...indent([
      ...moves,
      ...enable.map(({ directory, controllers }) =>
        `enable ${controllers.join(", ")} in ${directory}`
      ),
      ...inherited.map((file) => `${file} as in ${plan.parent}`),
      ...describeLimits(limits),
    ]),
  ];
}

/** Describes the cgroups of the apps in one of the pod's. */
export function describeAppCgroups({ path, controllers, apps }: PodCgroupPlan): string[] {
  return [
    ...(controllers.length > 0 ? [`enable ${controllers.join(", ")} in ${path}`] : []),
    ...apps.flatMap(({ path, limits, devices = [] }) => [
      `make cgroup ${path}`,
      ...indent([
        ...describeLimits(limits),
        ...devices.map((rule) => `allow device ${ruleText(rule)}`),
      ]),
    ]),
  ];
}

/** A file that has a value for each device has one line all the same. */
function describeLimits(limits: readonly CgroupLimit[]): string[] {
  const values = Map.groupBy(limits, ({ file }) => file);
  return [...values].map(([file, of]) => `${file} = ${of.map(({ value }) => value).join(", ")}`);
}

/** Puts lines below the one that they belong to. */
export function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** The most characters of a line of paths. */
const LONGEST_LIST = 92;

const PROPAGATION = {
  "as-source": "shared as its source is",
  "private": "private",
} as const;

const MASK: Readonly<Record<Access, string>> = {
  "hidden": "hide",
  "read-only": "write-protect",
  "read-write": "leave open to writing",
};
