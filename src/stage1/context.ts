/**
 * Context for errors: the part of the pod that they are about.
 *
 * @module
 */

/**
 * Runs a function, and puts a context before its error.
 *
 * @param what The field or file that the function is about, and what was wanted of it.
 * @throws {Error} when `act` throws; its message is `what`, its cause the error of `act`.
 *
 * @example
 * ```ts
 * import { assertThrows } from "@std/assert";
 * assertThrows(() => withContext("apps[0]", () => JSON.parse("{")), Error, "apps[0]");
 * ```
 */
export function withContext<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new Error(what, { cause: error });
  }
}
