/**
 * The memory that was needed to build a pod or to change it: the supervisor gives it back when
 * nothing happens any more.
 *
 * @module
 */

import { describeError } from "../stage1/entrypoint.ts";
import type { Debug } from "../stage1/log.ts";

/**
 * After how many milliseconds without an event a pod counts as one that lives on as it is. To give
 * memory back takes time, which nobody waits for then.
 */
const QUIET = 3_000;

/** The memory that a supervisor does not need while its pod lives on. */
export class IdleMemory {
  readonly #giveBack: () => void;
  readonly #debug: Debug;
  #isGivenBack = false;

  /** @param giveBack Gives memory back to the kernel. */
  constructor(giveBack: () => void, debug: Debug) {
    this.#giveBack = giveBack;
    this.#debug = debug;
  }

  /** Notes that the pod has been changed, which took memory. */
  used(): void {
    this.#isGivenBack = false;
  }

  /**
   * Returns after how many milliseconds without an event `giveBack` is to be called; `undefined` if
   * there is nothing to give back.
   */
  untilQuiet(): number | undefined {
    return this.#isGivenBack ? undefined : QUIET;
  }

  /** Gives the memory back. A failure is only told: the pod can do without. */
  giveBack(): void {
    this.#isGivenBack = true;
    try {
      this.#giveBack();
    } catch (error) {
      this.#debug(`memory is not given back: ${describeError(error)}`);
    }
  }
}
