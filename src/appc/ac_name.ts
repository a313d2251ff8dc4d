/**
 * The names of apps: AC Names of appc spec 0.8.11, `spec/types.md`. Command lines have them as well
 * as manifests, so this needs no schemas.
 *
 * @module
 */

/** What is said of a text that is no AC Name. */
export const NOT_AC_NAME = "must be lower-case letters and digits joined by -";

/**
 * Tells whether a text is an AC Name: lower-case letters and digits joined by `-`. The spec's
 * pattern wants a single `-` between two of them; its validator, which every image has passed,
 * accepts several.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(["web-1", "a--b", "Web", "-web", "a/b"].map(isACName), [
 *   ...[true, true],
 *   ...[false, false, false],
 * ]);
 * ```
 */
export function isACName(text: string): boolean {
  return /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);
}
