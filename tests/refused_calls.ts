/**
 * The program that makes calls which filters refuse: `refused_calls.c`.
 *
 * @module
 */

import { must } from "./host.ts";
import type { Stage } from "./scenario.ts";

/** The path of the program in the image. */
export const REFUSED_CALLS = "/bin/refused_calls";

/** Makes an image that has the program which makes the calls that it is told to make. */
export async function imageWithRefusedCalls(stage: Stage): Promise<string> {
  const image = await stage.image({});
  const files = ["-o", `${image}/rootfs${REFUSED_CALLS}`, `${import.meta.dirname}/refused_calls.c`];
  await must(["gcc", "-static", "-Wall", "-Wextra", "-Werror", ...files]);
  return image;
}
