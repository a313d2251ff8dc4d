/**
 * Checks what lies beside an image to say what it is.
 *
 * @module
 */

import { basename } from "node:path";
import { billFile, provenanceFile } from "./describe_image.ts";
import { digestFile } from "./digest.ts";
import { billImage, bundledIntoPrograms, sumImage } from "./image_bill.ts";
import { requireEqual } from "./inspect.ts";
import { compareMaterials, gatherMaterials } from "./materials.ts";
import { type Architecture, architecture } from "./project.ts";
import { parseProvenance, type Provenance } from "./provenance.ts";

/**
 * Checks an image's provenance and bill of materials: that image and bill have the digests that the
 * provenance names, that the image was made from what is here, and that the bill is of what is in
 * it.
 *
 * @param runtime The sha256 of the runtime for a processor, in hexadecimal.
 * @returns What was not the same when it was made, and need not be: tools and the commit, above
 *   all.
 * @throws {Error} in one line about the first thing that is not as it should be.
 */
export async function verifyDescription(
  image: string,
  runtime: (target: Architecture) => string,
): Promise<string[]> {
  const provenance = await about(
    provenanceFile(image),
    async (file) => parseProvenance(await Deno.readTextFile(file)),
  );
  const digest = await requireSubject(image, provenance);
  await requireSubject(billFile(image), provenance);
  const sums = await sumImage(image);
  await about(billFile(image), async (file) => {
    const expected = billImage(provenance.recipe, digest, sums, bundledIntoPrograms());
    requireEqual(JSON.parse(await Deno.readTextFile(file)), JSON.parse(expected), []);
  });
  return await about(provenanceFile(image), () => requireMaterials(provenance, runtime));
}

/** Lets an error begin with the file that it is about. */
async function about<T>(file: string, work: (file: string) => Promise<T>): Promise<T> {
  try {
    return await work(file);
  } catch (cause) {
    throw new Error(file, { cause });
  }
}

/** @returns The file's digests. */
async function requireSubject(file: string, { subjects }: Provenance) {
  const found = await digestFile(file, ["sha256", "sha512"]);
  const said = subjects[basename(file)];
  if (said === undefined) throw new Error(`${file}: its provenance is of other files`);
  for (const [algorithm, digest] of Object.entries(found)) {
    const expected = said[algorithm] ?? "nothing";
    if (expected === digest) continue;
    throw new Error(`${file}: its ${algorithm} is ${digest}, and its provenance says ${expected}`);
  }
  return found;
}

async function requireMaterials(
  { recipe, materials }: Provenance,
  runtime: (target: Architecture) => string,
): Promise<string[]> {
  const digest = runtime(architecture(recipe.architecture));
  return compareMaterials(materials, await gatherMaterials(recipe, digest));
}
