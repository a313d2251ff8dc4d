/**
 * The size of a build's image, as a download and on the disk.
 *
 * @module
 */

import { must } from "../../tests/host.ts";
import type { Build } from "./builds.ts";
import type { Row } from "./table.ts";

/** Measures the host images. The isolated ones have the same programs. */
export async function benchSizes(builds: readonly Build[]): Promise<Row[]> {
  return [
    await sizeRow("image, gzip", builds, ({ packed }) => fileSize(packed.gzip)),
    await sizeRow("image, xz", builds, ({ packed }) => fileSize(packed.xz)),
    await sizeRow("image, unpacked", builds, ({ trees }) => diskUsage(trees.host)),
  ];
}

/** Makes a row of the sizes, in bytes, of something in each build. */
export async function sizeRow<B>(
  what: string,
  builds: readonly B[],
  size: (build: B) => Promise<number>,
): Promise<Row> {
  const bytes = await Promise.all(builds.map(size));
  return { what, unit: "MB", figures: bytes.map((each) => each / 1e6) };
}

/** Counts the bytes that a directory has on the disk. A file with several links counts once. */
export async function diskUsage(directory: string): Promise<number> {
  return parseInt(await must(["du", "--summarize", "--block-size=1", directory]));
}

async function fileSize(path: string): Promise<number> {
  return (await Deno.stat(path)).size;
}
