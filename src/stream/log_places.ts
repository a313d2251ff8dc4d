/**
 * The places where logs of apps are: in the pod's own directory, or in one of the host's that
 * Kubernetes names.
 *
 * @module
 */

import { withoutCapabilities } from "../linux/capability_sets.ts";
import { makeDirectoryAt, unlessThere } from "../linux/directory.ts";
import { ERRNO, failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import {
  O_APPEND,
  O_CREAT,
  O_DIRECTORY,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_WRONLY,
  openAt,
  openNamed,
  openStrictlyBeneath,
} from "../linux/open.ts";
import { lstatAt, statFd } from "../linux/stat.ts";
import type { NamedPath } from "../plan/kubernetes_log.ts";
import type { LogPlan } from "../plan/log.ts";
import { withContext } from "../stage1/context.ts";
import { POD_PATHS } from "../stage1/pod_directory.ts";
import type { LogPlace } from "./app_log.ts";
import { rotateFiles } from "./log_rotation.ts";

/** The mode of a file with what an app has written, which may be secret. */
const LOG_MODE = 0o640;

/**
 * Opens the directory of the logs, and makes it if it is missing.
 *
 * @throws {SyscallError} when it cannot be made, or when something else has its name.
 */
export function openLogDirectory(podDirectory: Fd): Fd {
  unlessThere(() => makeDirectoryAt(podDirectory, POD_PATHS.logs));
  return openAt(podDirectory, POD_PATHS.logs, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

/**
 * Returns the place of an app's own log.
 *
 * @param directory The pod's directory of logs.
 */
export function ownPlace(directory: Fd, app: string, { format, size, files }: LogPlan): LogPlace {
  const name = `${app}.log`;
  return {
    ...{ name, format, size },
    open: (more) =>
      openAt(directory, name, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | more, LOG_MODE),
    identity: () => lstatAt(directory, name)?.identity,
    rotate() {
      rotateFiles(directory, name, files);
      // A log of a single file begins anew.
      return files === 1;
    },
  };
}

/** The directory that Kubernetes names. */
export interface KubernetesDirectory {
  /** Its path when the pod began. */
  path: string;
  fd: Fd;
}

/**
 * Opens the directory that Kubernetes names. It is this one to the pod's end, whatever else gets
 * its name.
 *
 * @throws {Error} when there is no such directory; it names the annotation.
 */
export function openKubernetesDirectory({ path, field }: NamedPath): KubernetesDirectory {
  return { path, fd: withContext(field, () => openNamed(path, O_PATH | O_DIRECTORY)) };
}

/**
 * Returns the place of an app's log for Kubernetes, whose readers rotate it.
 *
 * The directory may be of another user than root. So whatever its owner does there, nothing is
 * written but regular files in it that have no other name, and nothing makes the supervisor wait: a
 * pipe without a reader is refused, and so is a file with a lease, at once.
 *
 * @param directory The directory that Kubernetes names.
 * @param path The file's path below it.
 */
export function kubernetesPlace(
  { fd: directory, path: above }: KubernetesDirectory,
  path: string,
): LogPlace {
  return {
    ...{ name: `${above}/${path}`, format: "k8s-plain", size: Infinity },
    open(more) {
      const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | more;
      // What could be opened with the privileges of the pod's beginning could not be later.
      const fd = withoutCapabilities(() => openStrictlyBeneath(directory, path, flags, LOG_MODE));
      try {
        refuseOthers(fd, path);
        return fd;
      } catch (error) {
        fd[Symbol.dispose]();
        throw error;
      }
    },
    identity: () => identityBeneath(directory, path),
    rotate: () => false,
  };
}

function refuseOthers(fd: Fd, path: string): void {
  const { kind, links } = statFd(fd);
  if (kind !== "file") throw new SyscallError("openat2", [path], ERRNO.ENXIO);
  if (links > 1) throw new SyscallError("openat2", [path], ERRNO.EMLINK);
}

function identityBeneath(directory: Fd, path: string): string | undefined {
  try {
    using file = openStrictlyBeneath(directory, path, O_PATH | O_NOFOLLOW);
    return statFd(file).identity;
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}
