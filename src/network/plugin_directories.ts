/**
 * The directories of CNI plugins: beside the user's configurations, rkt's, the image's, and those
 * of distributions.
 *
 * @module
 */

import { listIfThere, makeDirectories, makeLink, unlessThere } from "../linux/directory.ts";
import { failedWith } from "../linux/errno.ts";
import { statPath } from "../linux/stat.ts";
import { networkDirectory } from "../plan/network/networks.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";

/** The directory in which rkt looks for plugins of the host. */
const RKT_PLUGINS = "/usr/lib/rkt/plugins/net";

/** The directories in which CNI's own releases, Debian and Fedora put plugins. */
const HOST_DIRECTORIES = ["/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni"];

/** The mode bits of which one lets a file be executed. */
const EXECUTABLE = 0o111;

/**
 * Lists the directories that plugins are looked for in, in that order. They are rkt's, and plugins
 * get the same list as `CNI_PATH`.
 *
 * @param localConfig `--local-config`.
 */
export function pluginDirectories(localConfig: string): string[] {
  return [networkDirectory(localConfig), RKT_PLUGINS, POD_PATHS.networkPlugins];
}

/**
 * Links the plugins of the host's distribution into the pod's copy of the image, unless that has a
 * plugin of the same name.
 *
 * So plugins find each other in rkt's three directories, `CNI_PATH` does not depend on the
 * distribution, and `gc` finds the plugins that `run` found.
 *
 * @throws {SyscallError} when a directory cannot be read, or a link not be made.
 */
export function linkHostPlugins(): void {
  makeDirectories(POD_PATHS.networkPlugins);
  for (const directory of HOST_DIRECTORIES) {
    for (const name of listIfThere(directory)) {
      unlessThere(() => makeLink(`${directory}/${name}`, `${POD_PATHS.networkPlugins}/${name}`));
    }
  }
}

/**
 * Finds a plugin.
 *
 * @param type The plugin's name.
 * @returns The plugin's path.
 * @throws {Error} when no directory has it; it says which were searched, and what to install.
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

/**
 * Tells whether a plugin will be found, before {@linkcode linkHostPlugins} has linked those of the
 * host's distribution.
 *
 * @param localConfig `--local-config`.
 */
export function isPluginThere(type: string, localConfig: string): boolean {
  return [...pluginDirectories(localConfig), ...HOST_DIRECTORIES]
    .some((directory) => isProgram(`${directory}/${type}`));
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
