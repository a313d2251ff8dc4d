/**
 * The pod directory: where stage0 and stage1 leave things for each other. Every entrypoint starts in it.
 *
 * @module
 */

/** The names of what is in a pod directory, relative to it. */
export const POD_PATHS = {
  manifest: "pod",
  pid: "pid",
  parentPid: "ppid",
  processGroup: "pgid",
  runtimeConfig: "runtime-config",
  stage1Rootfs: "stage1/rootfs",
  environments: "stage1/rootfs/rkt/env",
  resolvConf: "stage1/rootfs/etc/rkt-resolv.conf",
  hosts: "stage1/rootfs/etc/rkt-hosts",
  sharedVolumes: "sharedVolumes",
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
