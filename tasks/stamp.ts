/**
 * Work that need not be done again: beside a file that was made lies a stamp, which says what it was
 * made from.
 *
 * @module
 */

import { sha256 } from "./digest.ts";

/**
 * A digest of everything that a file is made from.
 *
 * @param inputs Strings, numbers, and what is made of them; the order counts.
 */
export function digestInputs(inputs: unknown): string {
  return sha256(JSON.stringify(inputs));
}

/**
 * Makes a file, unless it is there as it was made from the same inputs.
 *
 * @param file The file.
 * @param inputs From {@linkcode digestInputs}.
 * @param make Makes the file, and returns what is to be remembered about it, in one line. It is also
 *   called for a file that was left unfinished or was changed.
 * @returns What `make` returned when the file was made.
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

/** The file's time and size are in it too, so that one that somebody replaced is made again. */
async function describe(file: string, inputs: string): Promise<string> {
  const info = await Deno.stat(file).catch(() => undefined);
  return info === undefined ? "missing" : `${inputs} ${info.size} ${info.mtime?.getTime()}`;
}
