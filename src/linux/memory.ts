/**
 * The memory that this program has, and no longer needs.
 *
 * @module
 */

import { trimHeap } from "./libc.ts";

/** What V8 offers with `--expose-gc`. */
type CollectGarbage = (options: { type: "major"; flavor: "last-resort" }) => void;

/**
 * Gives the kernel back all memory that can be spared. It takes some ten milliseconds, so it is for who will wait
 * for long.
 *
 * @throws {Error} when libc does not know how.
 */
export function giveBackMemory(): void {
  (globalThis as { gc?: CollectGarbage }).gc?.({ type: "major", flavor: "last-resort" });
  trimHeap();
}
