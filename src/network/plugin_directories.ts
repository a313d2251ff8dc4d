/**
 * Where plugins are: with the user's configurations, where rkt has them, in the image, and where
 * distributions put them.
 *
 * @module
 */

import { listIfThere, makeDirectories, makeLink } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { statPath } from "../linux/stat.ts";
import { networkDirectory } from "../plan/network/networks.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

/** Where rkt looks for plugins of the host. */
const RKT_PLUGINS = "/usr/lib/rkt/plugins/net";

/** Where CNI's own releases, Debian and Fedora put plugins. */
const HOST_DIRECTORIES = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

/** Any of the bits that let a file be executed. */
const EXECUTABLE = 0o111;

/**
 * The directories that are looked into, in that order: rkt's, which plugins are told as well.
 *
 * @param localConfig `--local-config`.
 */
export function pluginDirectories(localConfig: string): string[] {
  return [networkDirectory(localConfig), RKT_PLUGINS, POD_PATHS.networkPlugins];
}

/**
 * Has the pod's copy of the image show the host's plugins, where it has none of the same name.
 *
 * Plugins find each other in the same three places that rkt has. What they are told so stays the same,
 * wherever a distribution puts them, and `gc` finds those that `run` found.
 *
 * @throws {SyscallError}
 */
export function linkHostPlugins(): void {
  makeDirectories(POD_PATHS.networkPlugins);
  for (const directory of HOST_DIRECTORIES) {
    for (const name of listIfThere(directory)) {
      linkUnlessThere(`${directory}/${name}`, `${POD_PATHS.networkPlugins}/${name}`);
    }
  }
}

/**
 * Finds a plugin.
 *
 * @param type Its name.
 * @returns Its path.
 * @throws {Error} which says where it is not, and what to install.
 */
export function locatePlugin(type: string, directories: readonly string[]): string {
  const path = directories.map((directory) => `${directory}/${type}`).find(isProgram);
  if (path !== undefined) return path;
  const places = [...directories, ...HOST_DIRECTORIES].join(", ");
  throw new Error(
    `no plugin ${JSON.stringify(type)} in ${places}: install the CNI plugins, ` +
      `on Debian containernetworking-plugins`,
  );
}

function linkUnlessThere(target: string, path: string): void {
  try {
    makeLink(target, path);
  } catch (error) {
    if (!failedWith(error, "EEXIST")) throw error;
  }
}

function isProgram(path: string): boolean {
  try {
    const { kind, mode } = statPath(path);
    return kind === "file" && (mode & EXECUTABLE) !== 0;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG")) return false;
    throw error;
  }
}
