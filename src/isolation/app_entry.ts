/**
 * The way into an app that runs: what a further process of it has to join, found out from those that it has.
 *
 * @module
 */

import type { CallScript } from "../linux/call_script.ts";
import { openCgroupsOf } from "../linux/cgroup.ts";
import { type Fd, O_DIRECTORY, O_PATH, openFile, pathOf } from "../linux/file.ts";
import {
  changeRoot,
  CLONE_NEWUSER,
  isElsewhere,
  NAMESPACE_FLAGS,
  type NamespaceKind,
  openNamespace,
} from "../linux/namespaces.ts";
import { childrenOf, listProcesses } from "../linux/process.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import { isMember, supervisorOf } from "./members.ts";
import { machineCgroupName, podCgroupName } from "./cgroup_names.ts";

/** What a process of an app joins. Nothing is there twice: what this process shares with the app is left out. */
export interface AppEntry {
  /** A process of the app. */
  pid: number;
  /** The `cgroup.procs` of each cgroup of the pod's that the app is in. */
  cgroups: readonly Fd[];
  /** In the order in which they are joined. */
  namespaces: readonly { kind: NamespaceKind; fd: Fd }[];
  root: Fd;
  /** Joined last, since it takes the host's privileges. */
  userNamespace: Fd | undefined;
  /** Not joined, but what a child is started into. */
  pidNamespace: Fd | undefined;
}

/** The namespaces that are the pod's; an app's own is that of mounts. */
const POD_NAMESPACES = ["cgroup", "ipc", "uts", "net"] as const;

/**
 * Opens all that it takes to get into an app.
 *
 * That the processes are the pod's is asked both before and after they are looked at, should their numbers change
 * hands meanwhile.
 *
 * @param pid What `run` left in the `pid` file: the app's process, or the pod's first one.
 * @throws {Error} when that process is not this pod's, or the app does not run.
 */
export function openAppEntry(pid: number, appName: string): AppEntry {
  const process = findAppProcess(pid, appName);
  const open = (of: number, kind: NamespaceKind) =>
    isElsewhere(of, kind) ? [{ kind, fd: openNamespace(of, kind) }] : [];
  const entry: AppEntry = {
    pid: process,
    cgroups: openPodCgroups(process),
    namespaces: [...POD_NAMESPACES.flatMap((kind) => open(pid, kind)), ...open(process, "mnt")],
    root: openFile(`/proc/${process}/root`, O_PATH | O_DIRECTORY),
    userNamespace: open(pid, "user")[0]?.fd,
    pidNamespace: open(pid, "pid")[0]?.fd,
  };
  if (findAppProcess(pid, appName) !== process) throw new Error(`app "${appName}" has just ended`);
  return entry;
}

/** Everything that {@linkcode recordEntry} refers to. */
export function descriptorsOf({ cgroups, namespaces, root, userNamespace }: AppEntry): Fd[] {
  const all = [...cgroups, ...namespaces.map(({ fd }) => fd), root, userNamespace];
  return all.filter((fd) => fd !== undefined);
}

/** Records the way in: it ends in the app's root, with all privileges that root has there. */
export function recordEntry(entry: AppEntry, { call }: CallScript): void {
  for (const { number } of entry.cgroups) call("write", number, "0", 1);
  for (const { kind, fd } of entry.namespaces) call("setns", fd.number, NAMESPACE_FLAGS[kind]);
  changeRoot(entry.root, call);
  if (entry.userNamespace) call("setns", entry.userNamespace.number, CLONE_NEWUSER);
}

/** The app's own program comes first, then whatever else it has running. */
function findAppProcess(pid: number, appName: string): number {
  const isOfApp = (pid: number) => isMember(pid, appRootfs(appName));
  if (isOfApp(pid)) return pid;
  const supervisor = supervisorOf(pid);
  if (supervisor === undefined) {
    throw new Error(`--pid: ${pid} is not a process of app "${appName}" of this pod`);
  }
  const found = childrenOf(supervisor).find(isOfApp) ?? listProcesses().find(isOfApp);
  if (found === undefined) throw new Error(`--appname: app "${appName}" does not run`);
  return found;
}

/** Of all cgroups that the app is in, those which were made for the pod. */
function openPodCgroups(pid: number): Fd[] {
  using directory = openFile(".", O_PATH | O_DIRECTORY);
  const uuid = pathOf(directory).split("/").at(-1)!;
  return openCgroupsOf(pid, [machineCgroupName(uuid), podCgroupName(uuid)]);
}
