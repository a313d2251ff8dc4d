/**
 * The apps that are in a pod directory, whatever has become of the manifests.
 *
 * @module
 */

import { listIfThere } from "../linux/directory.ts";
import { statPath } from "../linux/stat.ts";
import { appRootfs, STAGE2 } from "./pod_directory.ts";

/**
 * Lists the root file systems of all apps, relative to the pod directory.
 *
 * It reads the directory, not the manifests, so that it works for a pod in any state.
 *
 * @throws {SyscallError} when the directory cannot be read.
 */
export function listAppRoots(): string[] {
  return listIfThere(STAGE2).map(appRootfs).filter(isDirectory);
}

function isDirectory(path: string): boolean {
  try {
    return statPath(path).kind === "directory";
  } catch {
    return false;
  }
}
