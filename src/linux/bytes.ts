/**
 * Bytes as the kernel reads and writes them.
 *
 * @module
 */

/** Bytes that are passed to the kernel, and hold what it wrote when the call is done. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** Returns the bytes behind a typed array. */
export function asBytes(
  words: BigUint64Array<ArrayBuffer> | Uint32Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
): Bytes {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

/**
 * Joins chunks into one.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(concatenate([Uint8Array.of(1, 2), Uint8Array.of(3)]), Uint8Array.of(1, 2, 3));
 * ```
 */
export function concatenate(chunks: readonly Bytes[]): Bytes {
  const all = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
