/**
 * The names in a path.
 *
 * @module
 */

/**
 * Returns the names in a path, without what means the directory itself: empty ones and dots. Links
 * are not looked at, so `..` stays.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(namesOf("/srv//./www/"), ["srv", "www"]);
 * assertEquals(namesOf("../a"), ["..", "a"]);
 * ```
 */
export function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}
