/**
 * Schemas that are made when they are first asked for: making one takes some ten microseconds, and
 * no manifest uses all of them.
 *
 * @module
 */

import type * as z from "zod/mini";

/** Makes a schema at the first call, and returns the same one at each later call. */
export type Schema<S extends z.ZodMiniType = z.ZodMiniType> = () => S;

/** The type of the values that a schema accepts. */
export type Checked<T extends Schema> = z.infer<ReturnType<T>>;

/**
 * Delays the making of a schema until it is first asked for.
 *
 * @example
 * ```ts
 * import { assertStrictEquals } from "@std/assert";
 * import * as z from "zod/mini";
 * const Text = schema(() => z.string());
 * assertStrictEquals(Text(), Text());
 * ```
 */
export function schema<S extends z.ZodMiniType>(make: () => S): Schema<S> {
  let made: S | undefined;
  return () => made ??= make();
}
