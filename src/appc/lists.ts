/**
 * Lists as appc manifests have them: they may be left out, and often their elements must differ.
 *
 * @module
 */

import * as z from "zod/mini";

/** A list that is empty when it is left out. */
export function listOf<S extends z.ZodMiniType>(element: S) {
  return z._default(z.array(element), []);
}

/**
 * A list whose elements must differ in one field.
 *
 * @param key The field.
 * @param what What an element is called, for the error: `duplicate app "web"`.
 */
export function uniqueBy<S extends z.ZodMiniType, K extends keyof z.infer<S> & string>(
  element: S,
  key: K,
  what: string,
) {
  return listOf(element).check(z.superRefine((list, context) => {
    const seen = new Set<unknown>();
    (list as z.infer<S>[]).forEach((item, i) => {
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
  }));
}
