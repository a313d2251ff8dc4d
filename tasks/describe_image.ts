/**
 * The descriptions beside an image: its bill of materials, `IMAGE.cdx.json`, and its provenance,
 * `IMAGE.provenance.json`.
 *
 * The provenance has the digests of image and bill, so its signature vouches for all three.
 *
 * @module
 */

import { basename } from "node:path";
import type { Flavor } from "../src/stage1/flavor.ts";
import type { Content } from "./aci.ts";
import { digestFile } from "./digest.ts";
import { billImage, bundledIntoPrograms, RUNTIME_PATH, sumContents } from "./image_bill.ts";
import { gatherMaterials } from "./materials.ts";
import { formatProvenance } from "./provenance.ts";
import type { CommonRecipe } from "./recipe.ts";
import { discardSignature } from "./signature.ts";

const ALGORITHMS = ["sha256", "sha512"] as const;

/** Returns the file of an image's bill of materials. */
export function billFile(image: string): string {
  return `${image}.cdx.json`;
}

/** Returns the file of an image's provenance. */
export function provenanceFile(image: string): string {
  return `${image}.provenance.json`;
}

/** An image that has been made. */
export interface MadeImage {
  /** Its file. */
  readonly path: string;
  /** Its flavor. */
  readonly flavor: Flavor;
  /** Its members. */
  readonly contents: readonly Content[];
}

/**
 * Writes the bills of materials and the provenance of images that were made together. The signature
 * of a provenance that changes is removed.
 *
 * @param images The images, at least one.
 * @throws {Error} when something that they were made from cannot be read.
 */
export async function describeImages(
  images: readonly MadeImage[],
  common: CommonRecipe,
): Promise<void> {
  const bundled = bundledIntoPrograms();
  const sums = await Promise.all(images.map(({ contents }) => sumContents(contents)));
  const materials = await gatherMaterials(common, sums[0]!.get(RUNTIME_PATH)!);
  for (const [i, { path, flavor }] of images.entries()) {
    const recipe = { flavor, ...common };
    const digest = await digestFile(path, ALGORITHMS);
    const bill = billImage(recipe, digest, sums[i]!, bundled);
    await Deno.writeTextFile(billFile(path), bill);
    const billDigest = await digestFile(billFile(path), ALGORITHMS);
    const subjects = { [basename(path)]: digest, [basename(billFile(path))]: billDigest };
    await replace(provenanceFile(path), formatProvenance({ subjects, recipe, materials }));
  }
}

async function replace(file: string, text: string): Promise<void> {
  if (await Deno.readTextFile(file).catch(() => undefined) === text) return;
  await discardSignature(file);
  await Deno.writeTextFile(file, text);
}
