/**
 * What all that carries out a pod's plan works with.
 *
 * @module
 */

import type { Fd } from "../linux/fd.ts";
import type { VolumeSources } from "../rootfs/volume_sources.ts";
import type { RunArguments } from "../stage1/arguments.ts";
import type { Debug } from "../stage1/log.ts";
import type { PodUsers } from "./user_namespace.ts";

/**
 * Arguments, descriptors and the debug log of one `run`. The working directory is the pod
 * directory.
 */
export interface PodContext {
  args: RunArguments;
  /** The pod directory, locked by stage0. */
  lock: Fd;
  /** What the sources of the volumes were found to be. */
  sources: VolumeSources;
  debug: Debug;
}

/** The same, once the pod's users and its network have been made. */
export interface PreparedContext extends PodContext {
  /** The user namespace, if the pod has one. */
  users: PodUsers | undefined;
  /** The network namespace, if the pod has one. */
  network: Fd | undefined;
}
