/**
 * A plan in words: what `--debug` says while it is carried out, and `deno task explain` without.
 *
 * @module
 */

import { environmentEntries } from "./environment.ts";
import type { DirectoryStep, MountStep, ShareStep } from "./mount_plan.ts";
import type { AppPlan } from "./plan.ts";

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
 * const step = { kind: "tmpfs", target: "/tmp", options: { mode: "1777" }, field: "/tmp" } as const;
 * assertEquals(describeMount(step), "mount tmpfs on /tmp (mode=1777)");
 * ```
 */
export function describeMount(step: MountStep): string {
  switch (step.kind) {
    case "bind": {
      const how = [
        step.recursive ? "rbind" : "bind",
        step.readOnly ? "ro" : "rw",
        PROPAGATION[step.propagation],
      ];
      return `mount ${step.source} on ${step.target} (${how.join(", ")})`;
    }
    case "tmpfs": {
      const options = Object.entries(step.options).map(([key, value]) => `${key}=${value}`);
      return `mount tmpfs on ${step.target} (${options.join(",")})`;
    }
    case "file":
      return `write ${step.target} if the app has none`;
  }
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
    `enter ${plan.workingDirectory}`,
    `become user ${user}, group ${group}, supplementary groups ${
      supplementaryGIDs.join(" ") || "none"
    }`,
    `execute ${plan.exec.map((argument) => JSON.stringify(argument)).join(" ")}`,
  ];
}

const PROPAGATION = {
  "as-source": "shared as its source is",
  "slave": "host's later mounts come in",
  "private": "private",
} as const;
