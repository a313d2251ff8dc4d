/**
 * The way into an app that runs: what a further process of it has to join, found out from those
 * that it has.
 *
 * @module
 */

import { openCgroupsOf } from "../linux/cgroup.ts";
import type { Fd } from "../linux/fd.ts";
import { isElsewhere, type NamespaceKind, openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { pathOf } from "../linux/path.ts";
import { childrenOf, listProcesses } from "../linux/process.ts";
import { machineCgroupName, podCgroupName } from "../plan/cgroup/names.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import type { JoinedApp } from "./launch.ts";
import {
  type AppMarks,
  isAppProcess,
  openAppMarks,
  openAppRoot,
  supervisorOf,
} from "./pod_processes.ts";

/**
 * What a process of an app joins. Nothing is there twice: what this process shares with the app is
 * left out.
 */
export interface AppEntry extends JoinedApp {
  /** A process of the app. */
  pid: number;
}

/** The namespaces that are the pod's; an app's own is that of mounts. */
const POD_NAMESPACES = ["cgroup", "ipc", "uts", "net"] as const;

/**
 * Opens all that it takes to get into an app.
 *
 * That the processes are the pod's is asked both before and after they are looked at, should their
 * numbers change hands meanwhile.
 *
 * @param pid What `run` left in the `pid` file: the app's process, or the pod's first one.
 * @throws {Error} when that process is not this pod's, or the app does not run.
 */
export function openAppEntry(pid: number, appName: string): AppEntry {
  using marks = openAppMarks([appRootfs(appName)], [pid, ...childrenOf(supervisorOf(pid) ?? pid)]);
  const process = findProcessOf(pid, appName, marks);
  const root = openAppRoot(process, marks);
  const open = (of: number, kind: NamespaceKind) =>
    isElsewhere(of, kind) ? [{ kind, fd: openNamespace(of, kind) }] : [];
  const entry = {
    pid: process,
    cgroups: openPodCgroups(process),
    namespaces: POD_NAMESPACES.flatMap((kind) => open(pid, kind)),
    mounts: openNamespace(process, "mnt"),
    users: open(pid, "user")[0]?.fd,
    pidNamespace: open(pid, "pid")[0]?.fd,
  };
  if (root === undefined || findProcessOf(pid, appName, marks) !== process) {
    throw new Error(`app "${appName}" has just ended`);
  }
  return { ...entry, root };
}

/** The app's own program comes first, then whatever else it has running. */
function findProcessOf(pid: number, appName: string, marks: AppMarks): number {
  const isOfApp = (pid: number) => isAppProcess(pid, marks);
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
