/**
 * The pod directory, in which stage0 and stage1 leave files for each other. Every entrypoint starts
 * in it.
 *
 * @module
 */

/** The names of what is in a pod directory, relative to it. */
export const POD_PATHS = {
  manifest: "pod",
  /** The paths of the pod's cgroups, for `gc`. */
  cgroups: "cgroups",
  /** What tells the apps' processes from all others. */
  processes: "processes",
  pid: "pid",
  processGroup: "pgid",
  cgroup: "subcgroup",
  runtimeConfig: "runtime-config",
  /** The path of the pod's network namespace. */
  netns: "netns",
  /** The socket by which other entrypoints ask the supervisor. */
  control: "control",
  /** The pod's networks and addresses, for `rkt list` and `rkt status`. */
  netInfo: "net-info.json",
  /** The pod's networks, from which `gc` removes the pod. */
  networkRecord: "networks.json",
  /** Locked by a network plugin while it, or a process that it has started, runs. */
  networkLock: "networks.lock",
  /** Locked by whoever takes the pod from its networks, or will when the pod ends. */
  keeperLock: "networks.keeper",
  stage1Manifest: "stage1/manifest",
  stage1Rootfs: "stage1/rootfs",
  init: "stage1/rootfs/init",
  run: "stage1/rootfs/run",
  gc: "stage1/rootfs/gc",
  statuses: "stage1/rootfs/rkt/status",
  /** A link to `ready`, once all apps have been started: `rkt status --wait-ready` looks for it. */
  readiness: "stage1/rootfs/rkt/supervisor-status",
  /** The sockets of apps that tell when they are ready, by their numbers in the pod. */
  notify: "notify",
  environments: "stage1/rootfs/rkt/env",
  credentials: "stage1/rootfs/rkt/credentials",
  resolvConf: "stage1/rootfs/etc/rkt-resolv.conf",
  hosts: "stage1/rootfs/etc/rkt-hosts",
  networkPlugins: "stage1/rootfs/usr/lib/rkt/plugins/net",
  sharedVolumes: "sharedVolumes",
  logs: "log",
} as const;

/** Where each app has a directory of its name. */
export const STAGE2 = `${POD_PATHS.stage1Rootfs}/opt/stage2`;

/** Returns the path of an app's root file system, relative to the pod directory. */
export function appRootfs(appName: string): string {
  return `${STAGE2}/${appName}/rootfs`;
}
