/**
 * Settings of the kernel that belong to a pod's own namespaces: sysctl(8).
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { startProcess } from "../linux/init.ts";
import { recordSetting } from "../linux/kernel_file.ts";
import { waitFor } from "../linux/wait.ts";
import type { SysctlStep } from "../plan/sysctl.ts";
import { recordMoveInto } from "../rootfs/pod_root.ts";
import { withContext } from "../stage1/context.ts";
import type { Debug } from "../stage1/log.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import { type PodNamespaces, recordJoin } from "./namespaces.ts";
import { recordBecomeRoot } from "./user_namespace.ts";

/**
 * Writes the settings, each from a process in the pod's namespaces: to each process, the kernel
 * shows the settings of that process's own namespaces.
 *
 * @throws {Error} which names the setting, when this kernel does not have it or refuses the value.
 */
export function applySysctls(
  steps: readonly SysctlStep[],
  namespaces: PodNamespaces,
  debug: Debug,
): void {
  for (const { path, value, field } of steps) {
    debug(`${path} = ${value}`);
    withContext(field, () => write({ path, value }, namespaces));
  }
}

/** A file of /proc/sys, and what is written to it. */
interface Setting {
  path: string;
  value: string;
}

function write(setting: Setting, namespaces: PodNamespaces): void {
  const { users } = namespaces;
  try {
    waitFor(startWriter(setting, namespaces, users));
  } catch (error) {
    // Until Linux 5.19, only the host's root may write settings of IPC, whatever their namespace.
    if (!users || !failedWith(error, "EACCES")) throw error;
    waitFor(startWriter(setting, namespaces, undefined));
  }
}

function startWriter(
  { path, value }: Setting,
  namespaces: PodNamespaces,
  users: Fd | undefined,
): number {
  const { root, joined } = namespaces;
  return startProcess({
    init: POD_PATHS.init,
    fds: [root.mounts, root.root, ...joined.map(({ fd }) => fd), ...(users ? [users] : [])],
    record: (script) => {
      recordMoveInto(root, script);
      recordJoin(namespaces, script);
      if (users) recordBecomeRoot(users, script.call);
      // The descriptor is of the root that the process has by now, so the path is looked up there.
      recordSetting(root.root, path.slice(1), value, script);
    },
  });
}
