/**
 * Giving back memory that this program no longer needs.
 *
 * @module
 */

import { trimHeap } from "./libc.ts";

/** The function that V8 offers with `--expose-gc`. */
type CollectGarbage = (options: { type: "major"; flavor: "last-resort" }) => void;

/**
 * Gives the kernel back all memory that can be spared. This takes some ten milliseconds, so it is
 * for a program that will then wait for long.
 *
 * @throws {Error} when libc has no function for it.
 */
export function giveBackMemory(): void {
  (globalThis as { gc?: CollectGarbage }).gc?.({ type: "major", flavor: "last-resort" });
  trimHeap();
}
