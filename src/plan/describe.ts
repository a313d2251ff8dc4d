/**
 * A plan in words: what `--debug` says while it is carried out, and `deno task explain` without.
 *
 * @module
 */

import { ruleText } from "../linux/device_rule.ts";
import { printable } from "../stage1/log.ts";
import type { AppPlan } from "./app.ts";
import { describeResources } from "./cgroup/resources.ts";
import { environmentEntries } from "./environment.ts";
import type { Access, Mask } from "./rootfs/masked_paths.ts";
import type { DirectoryStep, MountStep, ShareStep } from "./rootfs/mounts.ts";

/** One directory of an `empty` volume. */
export function describeDirectory({ path, mode, uid, gid }: DirectoryStep): string {
  return `make directory ${path} (mode ${mode.toString(8).padStart(4, "0")}, owner ${uid}:${gid})`;
}

/** One change to the host's mount table. */
export function describeShare({ mountPoint }: ShareStep): string {
  return `share the host's mount ${mountPoint}`;
}

/**
 * One mount or file in the app's root.
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
 *     readOnly: false,
 *     noDevices: true,
 *     field: "/tmp",
 *   }),
 *   "mount tmpfs on /tmp (mode=1777, rw, nodev)",
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
      return `mount ${step.source} on ${step.target} (${how.join(", ")})`;
    }
    case "tmpfs": {
      const options = Object.entries(step.options).map(([key, value]) => `${key}=${value}`);
      const how = [
        ...options,
        step.readOnly ? "ro" : "rw",
        ...(step.noDevices ? ["nodev"] : []),
      ];
      return `mount tmpfs on ${step.target} (${how.join(", ")})`;
    }
    case "host-tree":
      return `mount the host's ${step.target} (rbind, host's later mounts come in)`;
    case "pod-tree":
      return `mount the pod's ${step.source} on ${step.target} (${access(step)})`;
    case "mask":
      return describeMask(step);
    case "rebind":
      return `make ${step.target} a mount of its own (${access(step)})`;
    case "file":
      return `write ${step.target} if the app has none`;
  }
}

function access({ readOnly }: { readOnly: boolean }): string {
  return readOnly ? "ro" : "rw";
}

/** What is done about one path of the kernel's. */
export function describeMask({ target, access }: Mask): string {
  return `${MASK[access]} ${target}, if it is there`;
}

/** A whole plan, in the order in which it is carried out: one line for each thing that is done. */
export function describePlan(plan: AppPlan): string[] {
  const { user, group, supplementaryGIDs } = plan.user;
  return [
    ...plan.ignored,
    `save the environment of app "${plan.name}":`,
    ...environmentEntries(plan.environment).map((entry) => `  ${entry}`),
    ...plan.directories.map(describeDirectory),
    ...plan.share.map(describeShare),
    "unshare the mount namespace; the host's mounts come in, none go out",
    `make ${plan.rootfs} the app's root:`,
    ...plan.mounts.map((step) => `  ${describeMount(step)}`),
    ...(plan.noDevices ? ["make device files in the app's root useless"] : []),
    ...(plan.readOnlyRoot ? ["make the app's root read-only"] : []),
    `enter ${plan.workingDirectory}`,
    `become user ${user}, group ${group}, supplementary groups ${
      supplementaryGIDs.join(" ") || "none"
    }`,
    ...describeResources(plan.isolators.resources, "of the pod"),
    ...(plan.devices ?? []).map((rule) => `allow the device ${ruleText(rule)}`),
    ...describePrivileges(plan),
    ...(plan.preStart ? [`run to its end ${quote(plan.preStart.exec)}`] : []),
    `execute ${quote(plan.exec)}`,
    ...(plan.postStop ? [`wait for its end and run ${quote(plan.postStop.exec)}`] : []),
  ].map(printable);
}

function describePrivileges({ isolators: { privileges } }: AppPlan): string[] {
  const { capabilities, noNewPrivileges, seccomp } = privileges;
  return [
    ...(capabilities ? [`keep the capabilities ${capabilities.keep.join(" ") || "none"}`] : []),
    ...(noNewPrivileges ? ["gain no new privileges"] : []),
    ...(seccomp ? ["filter system calls"] : []),
  ];
}

function quote(argv: readonly string[]): string {
  return argv.map((argument) => JSON.stringify(argument)).join(" ");
}

const PROPAGATION = {
  "as-source": "shared as its source is",
  "private": "private",
} as const;

const MASK: Readonly<Record<Access, string>> = {
  "hidden": "hide",
  "read-only": "write-protect",
  "read-write": "leave open to writing",
};
