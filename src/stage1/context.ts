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

/**
 * Runs a function that writes a file, and names the file in its error.
 *
 * @param path The file, as people know it.
 * @throws {Error} when `write` throws: `PATH: cannot be written`.
 */
export function writingFile(path: string, write: () => void): void {
  withContext(`${path}: cannot be written`, write);
}
