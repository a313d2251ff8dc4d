/**
 * The builds that `deno task bench` compares: this one, and optionally another one.
 *
 * @module
 */

import { IMAGE_NAMES } from "../../image/manifest.ts";
import { type Flavor, FLAVORS } from "../../src/stage1/flavor.ts";
import { must } from "../../tests/host.ts";
import { writeCompressed } from "../aci.ts";
import { type Compression, COMPRESSIONS, openDecompressed } from "../compression.ts";
import { step } from "../console.ts";
import { DIST } from "../project.ts";

/** The images of a build. */
export interface Build {
  /** The build's name, which heads a column of the table. */
  readonly name: string;
  /** The file of each image. */
  readonly images: Readonly<Record<Flavor, string>>;
  /** The directory of each unpacked image, with `manifest` and `rootfs`. */
  readonly trees: Readonly<Record<Flavor, string>>;
  /** The host image in each compression. The isolated image differs only in its manifest. */
  readonly packed: Readonly<Record<Compression, string>>;
}

/** A stage1 image of another project. */
export interface Peer {
  /** Its name: that of its file, without the suffix. */
  readonly name: string;
  /** Its file. */
  readonly image: string;
  /** The directory of the unpacked image. */
  readonly tree: string;
}

/**
 * Unpacks the images of this build and of another one, and packs them with the same compressions.
 *
 * @param directory The directory for all of that.
 * @param before The directory of the other build's images, if there is one.
 * @throws {Error} when an image is missing or damaged.
 */
export async function openBuilds(directory: string, before?: string): Promise<Build[]> {
  const builds = [await openBuild("now", DIST, directory)];
  if (before !== undefined) builds.push(await openBuild("before", before, directory));
  // Pages that are not yet on the disk cannot be dropped from the page cache.
  await must(["sync"]);
  return builds;
}

/** Unpacks the stage1 image of another project. */
export async function openPeer(image: string, directory: string): Promise<Peer> {
  const name = image.replace(/^.*\//, "").replace(/\.aci$/, "");
  return { name, image, tree: await unpack(image, `${directory}/peer`) };
}

async function openBuild(name: string, from: string, directory: string): Promise<Build> {
  const at = `${directory}/${name}`;
  await Deno.mkdir(at);
  const images = await forEach(FLAVORS, (each) => `${from}/${IMAGE_NAMES[each]}.aci`);
  return {
    name,
    images,
    trees: await forEach(FLAVORS, (each) => unpack(images[each], `${at}/${each}`)),
    packed: await forEach(COMPRESSIONS, (compression) => pack(images.host, at, compression)),
  };
}

async function unpack(image: string, directory: string): Promise<string> {
  await Deno.mkdir(directory);
  await must(["tar", "--extract", "--numeric-owner", "--file", image, "--directory", directory]);
  return directory;
}

async function pack(image: string, directory: string, compression: Compression): Promise<string> {
  const output = `${directory}/${compression}.aci`;
  await step(
    `${image}, ${compression}`,
    async () => await writeCompressed(await openDecompressed(image), { output, compression }),
  );
  return output;
}

/** Makes values one after another, since each takes a whole processor, or the disk. */
async function forEach<K extends string, V>(
  keys: readonly K[],
  make: (key: K) => V | Promise<V>,
): Promise<Record<K, V>> {
  const made: Partial<Record<K, V>> = {};
  for (const key of keys) made[key] = await make(key);
  return made as Record<K, V>;
}
