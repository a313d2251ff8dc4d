/**
 * Errors that say which part of the pod they are about.
 *
 * @module
 */

/**
 * Does something; should that fail, the error says what it was about, and then why.
 *
 * @param what The field or file, and what was wanted of it.
 * @throws {Error} whose cause is what `act` threw.
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
