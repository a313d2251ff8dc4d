/**
 * Image trees: a directory with `manifest` and `rootfs`, taken as it is or unpacked from an ACI.
 *
 * @module
 */

import { must } from "../host.ts";
import type { ImageManifest } from "./manifest.ts";

/** An image on disk. */
export interface Tree {
  /** The tree's name, in the form of an image ID. */
  id: string;
  /** The manifest's text, byte for byte. */
  manifestText: string;
  /** The manifest, parsed. */
  manifest: ImageManifest;
  /** The absolute path of its root file system. */
  rootfs: string;
}

/** Opens an image. An ACI is unpacked below `cache`, unless it already is. */
export async function openTree(path: string, cache: string): Promise<Tree> {
  const image = await Deno.realPath(path);
  const dir = (await Deno.stat(image)).isDirectory ? image : await unpackOnce(image, cache);
  const manifestText = await Deno.readTextFile(`${dir}/manifest`);
  return {
    id: await imageId(dir, manifestText),
    manifestText,
    manifest: JSON.parse(manifestText) as ImageManifest,
    rootfs: `${dir}/rootfs`,
  };
}

async function unpackOnce(aci: string, cache: string): Promise<string> {
  const { size, mtime } = await Deno.stat(aci);
  const tree = `${cache}/${await digest(`${aci} ${size} ${mtime?.getTime()}`)}`;
  if (!await exists(tree)) await unpack(aci, tree);
  return tree;
}

/** Unpacks an ACI. The tree appears under its name only when it is complete. */
async function unpack(aci: string, tree: string): Promise<void> {
  const partial = `${tree}.partial`;
  await Deno.mkdir(partial, { recursive: true });
  await must(["tar", "--extract", "--numeric-owner", "--file", aci, "--directory", partial]);
  await Deno.rename(partial, tree);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Computes an ID that tells trees apart. It is not an archive's digest, as a directory has none.
 */
async function imageId(dir: string, manifest: string): Promise<string> {
  return `sha512-${await digest(`${dir}\0${manifest}`)}`;
}

async function digest(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-512", new TextEncoder().encode(text));
  return new Uint8Array(bytes).slice(0, 32).toHex();
}
