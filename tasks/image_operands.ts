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
  check: requireImage,
};

/** How files begin that may be images: where, and with which bytes. */
const MAGICS: readonly [offset: number, bytes: readonly number[]][] = [
  // "ustar" of tar(5), gzip, and xz.
  [257, [0x75, 0x73, 0x74, 0x61, 0x72]],
  [0, [0x1f, 0x8b]],
  [0, [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
];

/**
 * Checks that a file may be an image: a tar archive, also a compressed one.
 *
 * @throws {Error} when there is no such file, or when it is something else.
 */
export function requireImage(path: string): void {
  requireFile(path);
  const head = new Uint8Array(512);
  using file = Deno.openSync(path);
  file.readSync(head);
  const isImage = MAGICS.some(([offset, bytes]) =>
    bytes.every((byte, i) => head[offset + i] === byte)
  );
  if (!isImage) throw new Error(`${path}: is no image: neither a tar archive nor a compressed one`);
}

/** Returns the images that are given, or else those of `dist`. */
export function imagesOf(operands: readonly string[]): readonly string[] {
  return operands.length > 0 ? operands : Object.values(IMAGES);
}
