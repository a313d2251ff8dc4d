/**
 * The images that a task is given as arguments.
 *
 * @module
 */

import type { Operands } from "./command_line.ts";
import { requireFile } from "./option.ts";
import { IMAGES } from "./project.ts";

/** The declaration of tasks that take images. */
export const IMAGE_OPERANDS: Operands = {
  name: "IMAGE…",
  meaning: "the images (default: both of dist)",
  most: Infinity,
  check: requireFile,
};

/** Returns the images that are given, or else those of `dist`. */
export function imagesOf(operands: readonly string[]): readonly string[] {
  return operands.length > 0 ? operands : Object.values(IMAGES);
}
