/**
 * The pod directory: where stage0 and stage1 leave things for each other. Every entrypoint starts in it.
 *
 * @module
 */

/** The names of what is in a pod directory, relative to it. */
export const POD_PATHS = {
  manifest: "pod",
  /** Where the pod's cgroups are, for `gc`. */
  cgroups: "cgroups",
  pid: "pid",
  processGroup: "pgid",
  cgroup: "subcgroup",
  runtimeConfig: "runtime-config",
  /** The path that the pod's network namespace can be joined by. */
  netns: "netns",
  /** The pod's networks and addresses, for `rkt list` and `rkt status`. */
  netInfo: "net-info.json",
  /** The pod's networks, for `gc` to undo. */
  networkRecord: "networks.json",
  /** Locked by a plugin of those networks as long as it, or what it has started, runs. */
  networkLock: "networks.lock",
  stage1Manifest: "stage1/manifest",
  stage1Rootfs: "stage1/rootfs",
  init: "stage1/rootfs/init",
  run: "stage1/rootfs/run",
  statuses: "stage1/rootfs/rkt/status",
  environments: "stage1/rootfs/rkt/env",
  credentials: "stage1/rootfs/rkt/credentials",
  resolvConf: "stage1/rootfs/etc/rkt-resolv.conf",
  hosts: "stage1/rootfs/etc/rkt-hosts",
  networkPlugins: "stage1/rootfs/usr/lib/rkt/plugins/net",
  sharedVolumes: "sharedVolumes",
  logs: "log",
} as const;

const STAGE2 = `${POD_PATHS.stage1Rootfs}/opt/stage2`;

/** Where an app's root file system is, relative to the pod directory. */
export function appRootfs(appName: string): string {
  return `${STAGE2}/${appName}/rootfs`;
}

/**
 * The root file systems of all apps that there are, relative to the pod directory.
 *
 * Asked of the directory and not of the manifests, so that it works for a pod in any state.
 *
 * @throws {Deno.errors.PermissionDenied}
 */
export function listAppRoots(): string[] {
  try {
    return [...Deno.readDirSync(STAGE2)].map(({ name }) => appRootfs(name)).filter(isDirectory);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}
