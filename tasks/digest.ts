/**
 * Digests of files, with the names and in the form that they have in provenance and bills of
 * materials.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Digests in hexadecimal, by algorithm: a `DigestSet` of in-toto. */
export type DigestSet = Readonly<Record<string, string>>;

/** The algorithms that digests are made with. */
type Algorithm = "sha256" | "sha512";

/**
 * Digests a file, reading it once.
 *
 * @throws {Error} when the file cannot be read.
 */
export async function digestFile<const A extends Algorithm>(
  file: string,
  algorithms: readonly A[],
): Promise<Readonly<Record<A, string>>> {
  return await digestStream((await Deno.open(file)).readable, algorithms);
}

/**
 * Digests a stream.
 *
 * @throws Whatever reading the stream throws.
 */
export async function digestStream<const A extends Algorithm>(
  stream: ReadableStream<Uint8Array>,
  algorithms: readonly A[],
): Promise<Readonly<Record<A, string>>> {
  const hashes = algorithms.map((algorithm) => createHash(algorithm));
  for await (const chunk of stream) for (const hash of hashes) hash.update(chunk);
  const digests = algorithms.map((algorithm, i) => [algorithm, hashes[i]!.digest("hex")] as const);
  return Object.fromEntries(digests) as Record<A, string>;
}

/** Digests bytes, or text as UTF-8, with SHA-256. */
export function sha256(data: Uint8Array | string): string {
  return createHash("sha256").update(data).digest("hex");
}
