/**
 * How an image was built, as far as the one who built it decided it.
 *
 * @module
 */

import * as z from "zod/mini";
import { FLAVORS } from "../src/stage1/flavor.ts";
import { COMPRESSIONS } from "./compression.ts";
import { ARCHITECTURES } from "./project.ts";
import { RUNTIME_ORIGINS } from "./runtime.ts";

/** A recipe as provenance has it: all that decides what becomes of the sources. */
export const Recipe = z.strictObject({
  flavor: z.enum(FLAVORS),
  compression: z.enum(COMPRESSIONS),
  architecture: z.enum(ARCHITECTURES.map(({ appc }) => appc)),
  runtime: z.enum(RUNTIME_ORIGINS),
  sourceDateEpoch: z.int(),
});

/** See {@linkcode Recipe}. */
export type Recipe = z.infer<typeof Recipe>;

/** What images that are built together have in common. */
export type CommonRecipe = Omit<Recipe, "flavor">;
