/**
 * The names of a pod's cgroups. Each contains the pod's UUID, so that no cgroup is taken for
 * another pod's.
 *
 * @module
 */

/**
 * Returns the name of the cgroups of a pod in the host's namespaces. In an isolated pod, it is the
 * name of the cgroup for `run` itself, where `run` cannot stay in its caller's.
 *
 * @param uuid In its usual form.
 */
export function podCgroupName(uuid: string): string {
  return `volo-${uuid}`;
}

/**
 * Returns the name of the cgroups of a pod that `run` supervises. systemd gives this name to a
 * machine called `rkt-UUID`: programs that watch rkt's pods know them by it.
 *
 * @param uuid In its usual form.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(machineCgroupName("6733c088-a507"), "machine-rkt\\x2d6733c088\\x2da507.scope");
 * ```
 */
export function machineCgroupName(uuid: string): string {
  return `machine-rkt\\x2d${uuid.replaceAll("-", "\\x2d")}.scope`;
}

/**
 * Returns the name of an app's cgroup within the pod's. The prefix keeps it apart from the kernel's
 * files: an app may be called `tasks`.
 */
export function appCgroupName(app: string): string {
  return `app-${app}`;
}

/**
 * The name of pid 1's cgroup, beside the apps', in version 2: their parent can have no process
 * itself.
 */
export const FIRST_PROCESS_CGROUP = "init";

/** Where cgroups are in a root: one file system of version 2, or a directory for each hierarchy. */
export const CGROUPS = "/sys/fs/cgroup";

/** A hierarchy, as it is mounted. */
export interface Hierarchy {
  version: 1 | 2;
  /** The options of its mount: its name or controllers. Empty for version 2. */
  mountOptions: readonly string[];
}

/**
 * Returns where a hierarchy is shown, among those that are shown with it: as on a host, where
 * version 2 alone has no directory of its own.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const v1 = { version: 1, mountOptions: ["cpu", "cpuacct"] } as const;
 * const v2 = { version: 2, mountOptions: [] } as const;
 * assertEquals(hierarchyPath(v1, [v1, v2]), "/sys/fs/cgroup/cpu,cpuacct");
 * assertEquals(hierarchyPath(v2, [v1, v2]), "/sys/fs/cgroup/unified");
 * assertEquals(hierarchyPath(v2, [v2]), "/sys/fs/cgroup");
 * ```
 */
export function hierarchyPath(hierarchy: Hierarchy, all: readonly Hierarchy[]): string {
  if (all.every(({ version }) => version === 2)) return CGROUPS;
  return `${CGROUPS}/${hierarchyName(hierarchy)}`;
}

/** Returns the name of a hierarchy's directory, where there are several. */
export function hierarchyName({ version, mountOptions }: Hierarchy): string {
  return version === 2 ? "unified" : mountOptions.join(",").replace("name=", "");
}
