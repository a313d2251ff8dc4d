/**
 * The way into an app that runs: what a further process has to join, taken from the processes that
 * the app has.
 *
 * @module
 */

import { openCgroupsOf } from "../linux/cgroup.ts";
import type { NamespaceKind } from "../linux/clone_flags.ts";
import type { Fd } from "../linux/fd.ts";
import { isElsewhere, openNamespace } from "../linux/namespaces.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { pathOf } from "../linux/path.ts";
import { childrenOf, listProcesses } from "../linux/proc.ts";
import { machineCgroupName, podCgroupName } from "../plan/cgroup/names.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import { loadProcesses } from "../stage1/processes_file.ts";
import { type AppMatcher, isAppProcess, openAppMatcher, openAppRoot } from "./app_processes.ts";
import type { JoinedApp } from "./launch.ts";
import { supervisorOf } from "./supervisor_process.ts";

/**
 * An app that runs, as a further process joins it. What this process shares with the app is left
 * out.
 */
export interface AppEntry extends JoinedApp {
  /** A process of the app. */
  pid: number;
}

/** The namespaces that apps share. Each has namespaces of mounts and cgroups of its own. */
const POD_NAMESPACES = ["ipc", "uts", "net"] as const;

/**
 * Opens what a process has to join to be one of the app's.
 *
 * Whether the app's process is the pod's is checked before and after it is looked at, as its number
 * may change hands meanwhile.
 *
 * @param pid The content of the `pid` file: the app's process, or the pod's first one.
 * @throws {Error} when that process is not this pod's, or the app does not run.
 */
export function openAppEntry(pid: number, appName: string): AppEntry {
  const pids = [pid, ...childrenOf(supervisorOf(pid) ?? pid)];
  const recorded = loadProcesses().filter(({ app }) => app === appName);
  using app = openAppMatcher([appRootfs(appName)], recorded, pids);
  const own = recorded.map((record) => record.pid);
  const process = findProcessOf(pid, appName, app, own);
  const mounts = openNamespace(process, "mnt");
  const root = openAppRoot(process, mounts, app);
  const open = (of: number, kind: NamespaceKind) =>
    isElsewhere(of, kind) ? [{ kind, fd: openNamespace(of, kind) }] : [];
  const entry = {
    pid: process,
    cgroups: openPodCgroups(process),
    namespaces: [
      ...open(process, "cgroup"),
      ...POD_NAMESPACES.flatMap((kind) => open(pid, kind)),
    ],
    mounts,
    users: open(pid, "user")[0]?.fd,
    pidNamespace: open(pid, "pid")[0]?.fd,
    root,
  };
  if (findProcessOf(pid, appName, app, own) !== process) {
    throw new Error(`app "${appName}" has just ended`);
  }
  return entry;
}

/**
 * Finds the app's own program, or else another process of the app. The program is no child of the
 * supervisor's where it has a minder.
 */
function findProcessOf(
  pid: number,
  appName: string,
  app: AppMatcher,
  own: readonly number[],
): number {
  const isOfApp = (pid: number) => isAppProcess(pid, app);
  if (isOfApp(pid)) return pid;
  const supervisor = supervisorOf(pid);
  if (supervisor === undefined) {
    throw new Error(`--pid: ${pid} is not a process of app "${appName}" of this pod`);
  }
  const found = [...own, ...childrenOf(supervisor)].find(isOfApp) ??
    listProcesses().find(isOfApp);
  if (found === undefined) throw new Error(`app "${appName}" does not run`);
  return found;
}

/** Opens those of the process's cgroups that were made for the pod. */
function openPodCgroups(pid: number): Fd[] {
  using directory = openFile(".", O_PATH | O_DIRECTORY);
  const uuid = pathOf(directory).split("/").at(-1)!;
  return openCgroupsOf(pid, [machineCgroupName(uuid), podCgroupName(uuid)]);
}
