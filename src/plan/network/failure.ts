/**
 * What is said of a pod whose network cannot be set up.
 *
 * @module
 */

import { withContext } from "../../stage1/context.ts";

/**
 * Runs a function that plans or sets up a part of a pod's network, and says of its error what it
 * keeps from being done: in the words of rkt's own stage1, which scripts look for.
 *
 * @throws {Error} when `act` throws: `stage1: failed to setup network: why`.
 */
export function settingUpNetwork<T>(act: () => T): T {
  return withContext("stage1: failed to setup network", act);
}
