/**
 * The check of an image's descriptions: its provenance and its bill of materials.
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
 * Checks the provenance and the bill of materials of an image: that image and bill have the digests
 * in the provenance, that the image was made from the materials on this machine, and that the bill
 * lists the image's files.
 *
 * @param runtime Returns the SHA-256 of the runtime for a processor, in hexadecimal.
 * @returns The names of materials that differ and may do so, such as tools and the commit.
 * @throws {Error} when a check fails; it names the first difference, in one line.
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

/** Runs a function, and puts the name of a file before its error. */
async function about<T>(file: string, work: (file: string) => Promise<T>): Promise<T> {
  try {
    return await work(file);
  } catch (cause) {
    throw new Error(file, { cause });
  }
}

/** Checks that a file is a subject of a provenance, and returns its digests. */
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
