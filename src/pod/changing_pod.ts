/**
 * A created pod, as its apps come and go.
 *
 * @module
 */

import type { MemoryWatch } from "../cgroup/memory_watch.ts";
import { killCgroup } from "../cgroup/remove.ts";
import type { NamedFd } from "../control/envelope.ts";
import { POD_FDS } from "../control/messages.ts";
import { openAppMatcher } from "../process/app_processes.ts";
import { killAppProcesses } from "../process/kill_apps.ts";
import { removeSyslogSocket } from "../rootfs/syslog_sockets.ts";
import { appRootfs } from "../stage1/pod_directory.ts";
import { describeProcess } from "../stage1/processes_file.ts";
import type { ChangingPod } from "./added_apps.ts";
import type { CreatedPod } from "./create_pod.ts";
import type { HeldApp } from "./held_app.ts";
import type { PodNamespaces } from "./namespaces.ts";
import type { PodRecords } from "./pod_records.ts";

/**
 * Returns what the apps that come and go need of a pod.
 *
 * @param orNote Does what a pod that has begun can do without.
 */
export function changingPod(
  { namespaces, streams, debug }: CreatedPod,
  records: PodRecords,
  memory: MemoryWatch,
  orNote: (act: () => void) => void,
): ChangingPod {
  return {
    fds: namespaces ? descriptorsOf(namespaces) : [],
    streams,
    added(app) {
      records.add(app.name);
      memory.add(app, app.watchedCgroups, debug);
    },
    prepareStatus: (app) => records.prepareStatus(app),
    started({ name, mounts }, pid, record) {
      streams.appStarted(name, pid);
      orNote(() => records.started(name, record ?? describeProcess(name, pid, mounts)));
    },
    end(app) {
      sweepAdded(app, debug);
      if (!namespaces) killByRoot(app.name, records, debug);
    },
    removed({ name }) {
      memory.remove(name);
      records.remove(name);
      if (namespaces) removeSyslogSocket(namespaces.root, name);
    },
    debug,
  };
}

/** Kills the processes of an app that has been added, if a cgroup of it tracks them. */
export function sweepAdded({ trackedCgroup }: HeldApp, debug: CreatedPod["debug"]): void {
  if (trackedCgroup !== undefined) killCgroup(trackedCgroup, debug);
}

/**
 * Kills the processes of an app in the host's namespaces, also those that have left its cgroups.
 */
export function killByRoot(app: string, records: PodRecords, debug: CreatedPod["debug"]): void {
  const first = records.processOf(app);
  using processes = openAppMatcher([appRootfs(app)], first ? [first] : []);
  killAppProcesses(processes, debug);
}

function descriptorsOf(
  { root, pidNamespace, joined, users }: PodNamespaces,
): NamedFd[] {
  const { mounts, root: directory, terminals, nothing, syslog } = root;
  return [
    [POD_FDS.mounts, mounts],
    [POD_FDS.root, directory],
    [POD_FDS.terminals, terminals],
    [POD_FDS.nothing, nothing],
    [POD_FDS.syslog, syslog],
    [POD_FDS.pid, pidNamespace],
    ...joined.map(({ kind, fd }): NamedFd => [`pod ${kind}`, fd]),
    ...(users ? [[POD_FDS.users, users] as const] : []),
  ];
}
