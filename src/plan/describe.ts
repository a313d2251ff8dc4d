/**
 * A plan in words: what `--debug` reports while the plan is carried out, and what `deno task
 * explain` prints without carrying it out.
 *
 * @module
 */

import { ruleText } from "../linux/device_rule.ts";
import { printable } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { AppPlan } from "./app.ts";
import type { CgroupPlan } from "./cgroup/placement.ts";
import type { PodCgroupPlan } from "./cgroup/pod_cgroups.ts";
import { environmentEntries } from "./environment.ts";
import type { NetworkPlan } from "./network/networks.ts";
import type { PodPlan, SingleAppPlan, SupervisedPlan } from "./pod.ts";
import type { Access, Mask } from "./rootfs/masked_paths.ts";
import type { DirectoryStep, MountStep, ShareStep } from "./rootfs/mounts.ts";
import type { StdioPlan, Stream, StreamTarget } from "./stdio.ts";

/** Describes a whole plan, in the order in which it is carried out: one line for each step. */
export function describePlan(plan: PodPlan): string[] {
  const lines = plan.runBecomes === "app" ? describeSingleApp(plan) : describeSupervised(plan);
  return [...plan.notes, ...lines].map(printable);
}

/**
 * Returns a plan as JSON: `Map`s become objects, and what is undefined is left out.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(toJson({ environment: new Map([["A", "1"]]), users: undefined }), {
 *   environment: { A: "1" },
 * });
 * ```
 */
export function toJson(plan: object): unknown {
  const text = JSON.stringify(
    plan,
    (_, value) => value instanceof Map ? Object.fromEntries(value) : value,
  );
  return JSON.parse(text);
}

/** Describes a directory of an `empty` volume. */
export function describeDirectory({ path, mode, uid, gid }: DirectoryStep): string {
  return `make directory ${path} (mode ${mode.toString(8).padStart(4, "0")}, owner ${uid}:${gid})`;
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

/** Describes how a path of the kernel's is masked. */
export function describeMask({ target, access }: Mask): string {
  return `${MASK[access]} ${target}, if it is there`;
}

/** Describes a cgroup of the pod, and those of its apps below it. */
export function describeCgroup(plan: CgroupPlan | PodCgroupPlan): string[] {
  const { path, enable, limits } = plan;
  return [
    `make cgroup ${path}`,
    ...enable.map(({ directory, controllers }) =>
      `  enable ${controllers.join(", ")} in ${directory}`
    ),
    ...limits.map(describeLimit),
    ...("apps" in plan ? plan.apps.flatMap(describeAppCgroup) : []),
  ];
}

function describeAppCgroup(
  { path, limits, devices = [] }: PodCgroupPlan["apps"][number],
): string[] {
  return [
    `make cgroup ${path}`,
    ...limits.map(describeLimit),
    ...devices.map((rule) => `  allow device ${ruleText(rule)}`),
  ];
}

function describeLimit({ file, value }: { file: string; value: string }): string {
  return `  ${file} = ${value}`;
}

/** `run` becomes the app. So the steps that it takes on itself come last, and hold for the app. */
function describeSingleApp({ apps, cgroups }: SingleAppPlan): string[] {
  return apps.flatMap((app) => [
    ...describePreparation(app),
    ...describeRoot(app),
    ...describeOomScore(app),
    ...cgroups.flatMap(describeCgroup),
    ...(cgroups.length > 0 ? ["join these cgroups"] : []),
    ...describeProcess(app),
    `become ${quote(app.exec)}`,
  ]);
}

function describeSupervised(plan: SupervisedPlan): string[] {
  const { users, namespaces, apps } = plan;
  return [
    ...(users
      ? [`make a user namespace: ids 0 to ${users.count - 1} are the host's from ${users.shift} on`]
      : []),
    ...describeNetwork(plan.network),
    ...apps.flatMap(describePreparation),
    ...plan.cgroups.flatMap(describeCgroup),
    ...(namespaces
      ? [
        `start pid 1 in namespaces of the pod's own: ${namespaces.kinds.join(", ")}`,
        `name the host ${namespaces.hostname}`,
      ]
      : ["stay in the host's namespaces but for the mounts of each app"]),
    ...plan.sysctls.map(({ path, value }) => `set ${path} = ${value}`),
    ...plan.maskedPaths.map(describeMask),
    ...apps.flatMap(describeRoot),
    ...apps.flatMap((app) => [`start the processes of app "${app.name}":`, ...describeStart(app)]),
  ];
}

function describeNetwork(network: NetworkPlan): string[] {
  switch (network.kind) {
    case "host":
      return ["stay in the host's network"];
    case "none":
      return ["make a network namespace with a loopback interface alone"];
    case "contained":
      return [
        "make a network namespace",
        ...network.networks.map(({ name, ifName, source, calls }) =>
          `  join network ${name} as ${ifName} by ${
            calls.map(({ type }) => type).join(", ")
          } (${source})`
        ),
        "  what these plugins find out may change AC_METADATA_URL and /etc/resolv.conf",
      ];
  }
}

function describePreparation(app: AppPlan): string[] {
  return [
    `save the environment of app "${app.name}" in ${POD_PATHS.environments}/${app.name}:`,
    ...environmentEntries(app.environment).map((entry) => `  ${entry}`),
    ...app.directories.map(describeDirectory),
    ...app.share.map(describeShare),
  ];
}

function describeRoot(app: AppPlan): string[] {
  return [
    `unshare the mount namespace of app "${app.name}"; the host's mounts come in, none go out`,
    `make ${app.rootfs} the app's root:`,
    ...app.mounts.map((step) => `  ${describeMount(step)}`),
    ...(app.noDevices ? ["  make device files in the app's root useless"] : []),
    ...(app.readOnlyRoot ? ["  make the app's root read-only"] : []),
  ];
}

/** What one process does or gets; the same for handlers and the app. */
function describeStart(app: AppPlan): string[] {
  const lines = [
    ...describeOomScore(app),
    ...describeProcess(app),
    ...(app.preStart ? [`run to its end ${quote(app.preStart.exec)}`] : []),
    `execute ${quote(app.exec)}`,
    ...(app.postStop ? [`wait for its end and run ${quote(app.postStop.exec)}`] : []),
  ];
  return lines.map((line) => `  ${line}`);
}

function describeProcess(app: AppPlan): string[] {
  const { user, group, supplementaryGIDs } = app.user;
  const groups = supplementaryGIDs.join(" ") || "none";
  return [
    ...describeStdio(app.stdio, app.name),
    `begin in ${app.workingDirectory}`,
    ...app.isolators.labels.labels.map(({ label }) => `take on the label ${label}`),
    ...describePrivileges(app),
    `become user ${user}, group ${group}, supplementary groups ${groups}`,
  ];
}

function describeStdio(stdio: StdioPlan, name: string): string[] {
  const words: Readonly<Record<StreamTarget, string>> = {
    null: "/dev/null",
    caller: "the caller's",
    relay: "a pipe that passes on the caller's",
    tty: "a terminal of the pod's, shown in the caller's",
    log: `a pipe to ${POD_PATHS.logs}/${name}.log and to the caller`,
  };
  const streams: Stream[] = ["stdin", "stdout", "stderr"];
  return streams.map((stream) => `${stream}: ${words[stdio[stream]]}`);
}

function describeOomScore({ isolators: { oomScore } }: AppPlan): string[] {
  return oomScore === undefined ? [] : [`oom_score_adj = ${oomScore.value}`];
}

function describePrivileges({ isolators: { privileges } }: AppPlan): string[] {
  const { capabilities, noNewPrivileges, seccomp } = privileges;
  const otherwise = seccomp?.errno ?? "SIGSYS";
  const filter = seccomp &&
    (seccomp.mode === "allow"
      ? `allow ${seccomp.syscalls.length} system calls, answer others with ${otherwise}`
      : `answer ${seccomp.syscalls.length} system calls with ${otherwise}, allow others`);
  return [
    ...(capabilities ? [`keep the capabilities ${capabilities.keep.join(" ") || "none"}`] : []),
    ...(noNewPrivileges ? ["gain no new privileges"] : []),
    ...(filter && !noNewPrivileges ? ["gain no new privileges, unless root"] : []),
    ...(filter ? [filter] : []),
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
