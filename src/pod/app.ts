/**
 * An app of a supervised pod: its root is built once, and then its processes are started in it, one
 * for each handler and one for the app itself.
 *
 * @module
 */

import type { Credentials } from "../linux/credentials.ts";
import type { Fd } from "../linux/fd.ts";
import { inOwnMounts, openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import type { AppPlan } from "../plan/app.ts";
import { environmentEntries, ROOT_ACCOUNT, withAccount } from "../plan/environment.ts";
import { hostId, type IdRange, type Owner } from "../plan/id_range.ts";
import type { PodTreeStep } from "../plan/rootfs/mount_steps.ts";
import type { StartPlan } from "../plan/start.ts";
import { heardSignals } from "../plan/stop.ts";
import { withLabelContext } from "../process/labels.ts";
import type { Activation, Launch } from "../process/launch.ts";
import type { MountTrees } from "../rootfs/app_mounts.ts";
import { assembleRoot, moveIntoRoot } from "../rootfs/app_root.ts";
import { clonePodTrees, type OwnRoot, type PodRoot } from "../rootfs/pod_root.ts";
import { findProgram, openWorkingDirectory } from "../rootfs/program.ts";
import { type AppUser, resolveUser } from "../rootfs/users.ts";
import { withContext } from "../stage1/context.ts";
import { saveCredentials } from "../stage1/credentials_file.ts";
import { saveEnvironment } from "../stage1/environment_file.ts";
import type { Debug } from "../stage1/log.ts";
import type { Stdio } from "../stream/stdio.ts";
import type { PodNamespaces } from "./namespaces.ts";

/** An app whose root is built. */
export interface BuiltApp {
  plan: AppPlan;
  root: OwnRoot;
  user: AppUser;
  /** The open `cgroup.procs` or `tasks` of each cgroup that its processes join. */
  procsFds: readonly Fd[];
  /** What had no effect while its root was built, and why: one line each. */
  notes: string[];
}

/** An app whose processes can be started, by whomever: what that takes of it. */
export interface StartableApp {
  plan: StartPlan;
  root: OwnRoot;
  /** The open `cgroup.procs` or `tasks` of each cgroup that its processes join. */
  procsFds: readonly Fd[];
}

/** A program that an app's manifest names, and who runs it. */
export interface AppProgram {
  exec: readonly [string, ...string[]];
  credentials: Credentials;
  /** `NAME=value` each. */
  environment: readonly string[];
  /** The field of the manifest that names it. */
  field: string;
  /** The sockets that it is given, if it is given any. */
  activation?: Activation | undefined;
}

/** The user of event handlers that do not run as their app's. */
export const ROOT: AppUser = {
  credentials: { uid: 0, gid: 0, groups: [0] },
  account: ROOT_ACCOUNT,
};

/** The namespaces of the pod that a process of an app joins. */
export type JoinedNamespaces = Pick<PodNamespaces, "joined" | "pidNamespace" | "users">;

/**
 * Builds an app's root, in a mount namespace of the app's own.
 *
 * @param hostTrees The clones of what the app gets of the host.
 * @param podRoot The root of its pod, if that has one.
 * @param procsFds The open `cgroup.procs` or `tasks` of each cgroup that its processes join.
 * @throws {Error} which names the field of the manifest that could not be carried out.
 */
export function buildApp(
  plan: AppPlan,
  hostTrees: MountTrees,
  podRoot: PodRoot | undefined,
  procsFds: readonly Fd[],
  debug: Debug,
): BuiltApp {
  const steps = plan.mounts.filter((step): step is PodTreeStep => step.kind === "pod-tree");
  const podTrees = podRoot ? clonePodTrees(podRoot, steps) : [];
  const trees = new Map([...hostTrees, ...podTrees]);
  const { root, notes } = inOwnMounts(() => {
    const mounts = openNamespace("self", "mnt");
    const { root, notes } = assembleRoot(plan, trees, debug);
    moveIntoRoot(root, debug);
    return { root: { mounts, root }, notes };
  });
  return { plan, root, user: resolveUser(root.root, plan.user, plan.ids), procsFds, notes };
}

/** Saves what `enter` takes of an app, so that it need not look into the app's own files. */
export function saveForEnter(
  { plan: { name, environment }, user: { credentials, account } }: BuiltApp,
): void {
  saveCredentials(name, credentials);
  saveEnvironment(name, environmentEntries(withAccount(environment, account)));
}

/**
 * Starts a process of an app.
 *
 * @param start Starts it.
 * @returns What `start` returned.
 * @throws {Error} which names the field of the manifest, when the program cannot be found or
 *   started.
 */
export function startProgram<T>(
  { plan, root, procsFds }: StartableApp,
  { exec, credentials, environment, field, activation }: AppProgram,
  namespaces: JoinedNamespaces | undefined,
  streams: Stdio,
  start: (launch: Launch) => T,
): T {
  const { labels, privileges } = plan.isolators;
  using workingDirectory = openWorkingDirectory(plan, root.root);
  using proc = openFile("/proc", O_PATH | O_DIRECTORY);
  const act = () =>
    start({
      ...root,
      cgroups: procsFds,
      namespaces: (namespaces?.joined ?? []).filter(({ kind }) => kind !== "cgroup"),
      ownCgroupNamespace: namespaces !== undefined,
      pidNamespace: namespaces?.pidNamespace,
      users: namespaces?.users,
      workingDirectory,
      labels,
      proc,
      privileges,
      credentials,
      activation,
      heard: heardSignals(plan.stop),
      program: findProgram(root.root, { ...plan, exec, environment }),
      streams,
    });
  return withLabelContext(labels, () => withContext(`${field}.exec[0]`, act));
}

/** Returns who owns the streams of a program: its user, as ids of the host. */
export function ownerOf({ uid, gid }: Credentials, ids: IdRange | undefined): Owner {
  return { uid: hostId(uid, ids), gid: hostId(gid, ids) };
}
