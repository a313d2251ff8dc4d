/**
 * Stamps, by which work is not done again: the one beside a file names the inputs that the file was
 * made from.
 *
 * @module
 */

import { sha256 } from "./digest.ts";

/**
 * Digests everything that a file is made from.
 *
 * @param inputs Strings and numbers, and arrays and objects of them. The order counts.
 */
export function digestInputs(inputs: unknown): string {
  return sha256(JSON.stringify(inputs));
}

/**
 * Makes a file, unless it has been made from the same inputs before and not been changed.
 *
 * @param file The file.
 * @param inputs The digest from {@linkcode digestInputs}.
 * @param make Makes the file, and returns one line that the stamp keeps.
 * @returns The line that `make` returned when the file was made.
 * @throws Whatever `make` throws.
 */
export async function makeUnlessCurrent(
  file: string,
  inputs: string,
  make: () => Promise<string>,
): Promise<string> {
  const stamp = `${file}.stamp`;
  const [state, note] = (await Deno.readTextFile(stamp).catch(() => "")).split("\n");
  if (note !== undefined && state === await describe(file, inputs)) return note;
  const made = await make();
  await Deno.writeTextFile(stamp, `${await describe(file, inputs)}\n${made}\n`);
  return made;
}

/** Formats the stamp. With the file's time and size in it, a changed file is made again. */
async function describe(file: string, inputs: string): Promise<string> {
  const info = await Deno.stat(file).catch(() => undefined);
  return info === undefined ? "missing" : `${inputs} ${info.size} ${info.mtime?.getTime()}`;
}
