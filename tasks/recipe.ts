/**
 * The recipe of an image: the options of its build.
 *
 * @module
 */

import * as z from "zod/mini";
import { FLAVORS } from "../src/stage1/flavor.ts";
import { COMPRESSIONS } from "./compression.ts";
import { ARCHITECTURES } from "./project.ts";
import { RUNTIME_ORIGINS } from "./runtime.ts";

/** A recipe as provenance has it: with the same sources it gives the same image. */
export const Recipe = z.strictObject({
  flavor: z.enum(FLAVORS),
  compression: z.enum(COMPRESSIONS),
  architecture: z.enum(ARCHITECTURES.map(({ appc }) => appc)),
  runtime: z.enum(RUNTIME_ORIGINS),
  sourceDateEpoch: z.int(),
});

/** A value of {@linkcode Recipe}. */
export type Recipe = z.infer<typeof Recipe>;

/** The part of a recipe that images which are built together share. */
export type CommonRecipe = Omit<Recipe, "flavor">;
