/**
 * Pod UUIDs: RFC 4122, as rkt writes and reads them.
 *
 * @module
 */

const UUID = /^[0-9a-f]{32}$/i;

/**
 * Parses a pod's UUID, with or without dashes, as rkt does.
 *
 * @returns The UUID in its usual form, lower case and dashed.
 * @throws {Error} when it is not 32 hexadecimal digits.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(
 *   parseUUID("6733C088A5074694AABFEDBE4FC5266F"),
 *   "6733c088-a507-4694-aabf-edbe4fc5266f",
 * );
 * ```
 */
export function parseUUID(text: string): string {
  const digits = text.replaceAll("-", "");
  if (!UUID.test(digits)) {
    throw new Error(`UUID: ${JSON.stringify(text)} is not 32 hexadecimal digits`);
  }
  return digits.toLowerCase().replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
