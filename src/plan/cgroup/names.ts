/**
 * What the cgroups of a pod are called.
 *
 * The pod's UUID is part of it, so that none is taken for another pod's.
 *
 * @module
 */

/**
 * The cgroups of a pod in the host's namespaces. In a pod with its own, that of `run` itself, where it cannot
 * stay in its caller's.
 *
 * @param uuid In its usual form.
 */
export function podCgroupName(uuid: string): string {
  return `volo-${uuid}`;
}

/**
 * The cgroups of a pod with namespaces of its own. The name is the one that systemd gives a machine called
 * `rkt-UUID`: by it, what watches rkt's pods from outside knows them.
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

/** In those of the pod, that of an app. An app may be called as a file of the kernel's is, such as `tasks`. */
export function appCgroupName(app: string): string {
  return `app-${app}`;
}

/** In version 2, beside those of the apps, that of pid 1: their parent can have no process itself. */
export const FIRST_PROCESS_CGROUP = "init";
