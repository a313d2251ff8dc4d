/**
 * Taking a pod from its networks: by its keeper when it ends, and by `gc`.
 *
 * @module
 */

import { ownEnvironment } from "../linux/proc.ts";
import { runHelper } from "../network/helper_program.ts";
import { tearDownNetworks } from "../network/tear_down.ts";
import { type Debug, warn } from "../stage1/log.ts";

/**
 * Takes a pod from its networks. Doing so twice, or for a pod in the host's network, is fine.
 *
 * @param by For whom that is done. What `run` cannot undo is left for `gc`.
 * @throws {SyscallError} when the pod's network namespace cannot be let go.
 */
export function leavePodNetwork(by: "run" | "gc", uuid: string, debug: Debug): void {
  const notes = tearDownNetworks({
    uuid,
    isLast: by === "gc",
    environment: ownEnvironment(),
    run: runHelper,
    debug,
  });
  for (const line of notes) warn(by, by === "run" ? `left to gc: ${line}` : line);
}
