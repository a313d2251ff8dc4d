/**
 * Schemas of lists in appc manifests: they may be left out, and often their elements must differ.
 *
 * @module
 */

import * as z from "zod/mini";
import type { Schema } from "./schema.ts";

/**
 * Makes the schema of a list that is empty when it is left out.
 *
 * @param element The schema of its elements, asked for when there is one.
 * @param checks Checks of the whole list.
 */
export function listOf<S extends z.ZodMiniType>(
  element: Schema<S>,
  ...checks: z.core.$ZodCheck<z.infer<S>[]>[]
) {
  const array = new z.ZodMiniArray({
    type: "array",
    get element() {
      return element();
    },
    checks,
  }) as z.ZodMiniArray<S>;
  return z._default(array, []);
}

/**
 * Makes the schema of a list whose elements must differ in one field.
 *
 * @param key The field.
 * @param what The word for an element in the error: `duplicate app "web"`.
 * @param checks Further checks of the whole list.
 */
export function uniqueBy<S extends z.ZodMiniType, K extends keyof z.infer<S> & string>(
  element: Schema<S>,
  key: K,
  what: string,
  ...checks: z.core.$ZodCheck<z.infer<S>[]>[]
) {
  const differ = z.superRefine<z.infer<S>[]>((list, context) => {
    const seen = new Set<unknown>();
    list.forEach((item, i) => {
      const value = item[key];
      if (seen.has(value)) {
        context.addIssue({
          code: "custom",
          path: [i, key],
          message: `duplicate ${what} ${JSON.stringify(value)}`,
        });
      }
      seen.add(value);
    });
  });
  return listOf(element, differ, ...checks);
}
