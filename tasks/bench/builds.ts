/**
 * What `deno task bench` compares: the images of this build, and those of another one.
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
  /** What the build is called: a column of the table. */
  readonly name: string;
  /** Each image's file. */
  readonly images: Readonly<Record<Flavor, string>>;
  /** Each image, unpacked: a directory with `manifest` and `rootfs`. */
  readonly trees: Readonly<Record<Flavor, string>>;
  /** The host image in each compression. The other one differs in its manifest alone. */
  readonly packed: Readonly<Record<Compression, string>>;
}

/** A stage1 image of somebody else's. */
export interface Peer {
  /** What it is called: its file's name, without the ending. */
  readonly name: string;
  /** Its file. */
  readonly image: string;
  /** The image, unpacked. */
  readonly tree: string;
}

/**
 * Unpacks the images of this build and of another, and packs them alike, whatever their
 * compression was.
 *
 * @param directory Where that is put.
 * @param before Where the other build's images are, if there is one.
 * @throws {Error} when an image is missing or damaged.
 */
export async function openBuilds(directory: string, before?: string): Promise<Build[]> {
  const builds = [await openBuild("now", DIST, directory)];
  if (before !== undefined) builds.push(await openBuild("before", before, directory));
  // What is yet to be written to the disk cannot be dropped from the page cache.
  await must(["sync"]);
  return builds;
}

/** Unpacks another stage1 image. */
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

/** One after another: each takes a processor, or the disk. */
async function forEach<K extends string, V>(
  keys: readonly K[],
  make: (key: K) => V | Promise<V>,
): Promise<Record<K, V>> {
  const made: Partial<Record<K, V>> = {};
  for (const key of keys) made[key] = await make(key);
  return made as Record<K, V>;
}
