/**
 * The processes of an app in a pod that is supervised: how each comes into the app's root,
 * namespaces, limits and privileges.
 *
 * @module
 */

import type { Credentials } from "../linux/credentials.ts";
import type { Fd } from "../linux/fd.ts";
import { inOwnMounts, openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import type { AppPlan } from "../plan/app.ts";
import { environmentEntries, forTerminal } from "../plan/environment.ts";
import type { MountStep, PodTreeStep } from "../plan/rootfs/mounts.ts";
import { launch } from "../process/launch.ts";
import type { MountTrees } from "../rootfs/app_mounts.ts";
import { assembleRoot, moveIntoRoot } from "../rootfs/app_root.ts";
import { clonePodTrees, type OwnRoot } from "../rootfs/pod_root.ts";
import { findProgram, openWorkingDirectory } from "../rootfs/program.ts";
import { resolveCredentials } from "../rootfs/users.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import type { Stdio } from "../stream/stdio.ts";
import type { PodNamespaces } from "./namespaces.ts";

/** An app whose root is built. */
export interface BuiltApp {
  plan: AppPlan;
  root: OwnRoot;
  credentials: Credentials;
  /** The cgroups that its processes join: each one's entrance. */
  cgroups: readonly Fd[];
}

/** A program of an app, as its manifest names it. */
export interface AppProgram {
  exec: readonly [string, ...string[]];
  credentials: Credentials;
  /** Where the manifest has it. */
  field: string;
}

/**
 * Builds an app's root, in a mount namespace of the app's own.
 *
 * @param hostTrees What it gets of the host.
 * @param console The path in the root of what the app is to have as its console.
 * @param cgroups Those that its processes join: each one's entrance.
 * @throws {Error} which names the manifest's field that could not be done.
 */
export function buildApp(
  plan: AppPlan,
  hostTrees: MountTrees,
  console: string,
  namespaces: PodNamespaces | undefined,
  cgroups: readonly Fd[],
  debug: Debug,
): BuiltApp {
  const mounts = namespaces ? withConsole(plan.mounts, console) : plan.mounts;
  const steps = mounts.filter((step): step is PodTreeStep => step.kind === "pod-tree");
  const podTrees = namespaces ? clonePodTrees(namespaces.root, steps) : [];
  const trees = new Map([...hostTrees, ...podTrees]);
  const root = inOwnMounts(() => {
    const namespace = openNamespace("self", "mnt");
    const root = assembleRoot({ ...plan, mounts }, trees, debug);
    moveIntoRoot(root, debug);
    return { mounts: namespace, root };
  });
  return { plan, root, credentials: resolveCredentials(root.root, plan.user, plan.ids), cgroups };
}

/** It comes right after /dev, in which nothing is the app's yet. */
function withConsole(mounts: readonly MountStep[], source: string): MountStep[] {
  const [target, field] = ["/dev/console", "/dev/console"];
  const step: PodTreeStep = { kind: "pod-tree", source, target, readOnly: true, field };
  const dev = mounts.findIndex((it) => it.kind === "pod-tree" && it.target === "/dev");
  return mounts.toSpliced(dev + 1, 0, step);
}

/**
 * Starts one of the app's programs.
 *
 * @returns Its process id, as this process sees it.
 * @throws {Error} which names the manifest's field, when the program cannot be found or started.
 */
export function startProgram(
  app: BuiltApp,
  program: AppProgram,
  namespaces: PodNamespaces | undefined,
  stdio: Stdio,
): number {
  const { plan, root, cgroups } = app;
  const { labels, privileges } = plan.isolators;
  using workingDirectory = openWorkingDirectory(plan, root.root);
  using proc = openFile("/proc", O_PATH | O_DIRECTORY);
  const environment = environmentEntries(forTerminal(plan.environment, plan.terminalType));
  return withContext(`${program.field}.exec[0]`, () =>
    launch({
      ...root,
      cgroups,
      namespaces: namespaces?.joined ?? [],
      pidNamespace: namespaces?.pidNamespace,
      users: namespaces?.users,
      workingDirectory,
      labels,
      proc,
      privileges,
      credentials: program.credentials,
      program: findProgram(root.root, { ...plan, exec: program.exec, environment }),
      streams: stdio,
    }));
}
