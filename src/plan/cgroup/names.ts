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
