/**
 * Schemas that are made when they are first asked for: making one takes some ten microseconds, and no
 * manifest has all that it could have.
 *
 * @module
 */

import type * as z from "zod/mini";

/** Makes a schema at the first call, and returns it at all others, too. */
export type Schema<S extends z.ZodMiniType = z.ZodMiniType> = () => S;

/** What a value is that a schema lets through. */
export type Checked<T extends Schema> = z.infer<ReturnType<T>>;

/**
 * A schema that is made when it is first asked for.
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
