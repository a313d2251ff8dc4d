/**
 * The bill of materials of an image of this project: the files in the image, and the packages that
 * this source puts into each of them.
 *
 * @module
 */

import { createTarDecoder } from "modern-tar";
import { type ProgramName, PROGRAMS } from "../image/entrypoints.ts";
import { IMAGE_NAMES } from "../image/manifest.ts";
import type { Content } from "./aci.ts";
import { RUNTIME_NAME } from "./build.ts";
import { bundledPackages } from "./bundle.ts";
import { openDecompressed } from "./compression.ts";
import { digestFile, digestStream, sha256 } from "./digest.ts";
import { type LockedPackage, lockedPackage, runtimePackage } from "./package_lock.ts";
import { architecture, ENTRY, entryFile, VERSION } from "./project.ts";
import type { Recipe } from "./recipe.ts";
import { type BilledFile, type BilledImage, type BilledRuntime, billOfMaterials } from "./sbom.ts";

/** The path of the runtime in an image. */
export const RUNTIME_PATH = `rootfs/${RUNTIME_NAME}`;

/** The SHA-256 of each file of an image, by its path in the archive. */
export type Sums = ReadonlyMap<string, string>;

/**
 * Digests the members of which an image will be made.
 *
 * @throws {Error} when one of them cannot be read.
 */
export async function sumContents(contents: readonly Content[]): Promise<Sums> {
  const sums = new Map<string, string>();
  for (const { member: { path }, from } of contents) {
    if (from === undefined) continue;
    sums.set(
      path,
      "file" in from ? (await digestFile(from.file, ["sha256"])).sha256 : sha256(from),
    );
  }
  return sums;
}

/**
 * Digests the files in an image.
 *
 * @throws {Error} when the image cannot be read, or is no archive.
 */
export async function sumImage(image: string): Promise<Sums> {
  const tar = await openDecompressed(image);
  const sums = new Map<string, string>();
  for await (const { header, body } of tar.pipeThrough(createTarDecoder({ strict: true }))) {
    const { sha256 } = await digestStream(body, ["sha256"]);
    if (header.type !== "directory") sums.set(header.name, sha256);
  }
  return sums;
}

/** The packages that are bundled into the entrypoints. */
export type Bundled = ReadonlyMap<ProgramName, readonly LockedPackage[]>;

/**
 * Lists the packages that this source bundles into each entrypoint.
 *
 * @throws {Error} when a source cannot be bundled, or bundles a package that is not locked.
 */
export function bundledIntoPrograms(): Bundled {
  const packagesOf = (name: ProgramName) => bundledPackages(`${ENTRY}/${entryFile(name)}.ts`);
  return new Map(
    PROGRAMS.map((name) => [name, packagesOf(name).map((each) => lockedPackage(each))]),
  );
}

/**
 * Writes the bill of materials of an image.
 *
 * @param digest The digests of the image's file.
 */
export function billImage(
  recipe: Recipe,
  digest: BilledImage["digest"],
  sums: Sums,
  bundled: Bundled,
): string {
  const describe = (path: string): Partial<BilledFile> => {
    if (path === RUNTIME_PATH) return { runtime: describeRuntime(recipe) };
    const program = PROGRAMS.find((name) => path === `rootfs/${name}`);
    return program ? { needs: [RUNTIME_PATH], packages: bundled.get(program)! } : {};
  };
  return billOfMaterials({
    name: IMAGE_NAMES[recipe.flavor],
    version: VERSION,
    architecture: recipe.architecture,
    digest,
    files: [...sums].map(([path, sha256]) => ({ path, sha256, ...describe(path) })),
  });
}

/**
 * Describes the runtime. Unless it is the user's own, it has the version of the Deno that compiles.
 */
function describeRuntime({ runtime, architecture: appc }: Recipe): BilledRuntime {
  const { deno, v8 } = Deno.version;
  const carrier = runtimePackage(architecture(appc).npm);
  return {
    versions: runtime === "own" ? undefined : { deno, v8 },
    carrier: runtime === "npm" ? lockedPackage(carrier) : undefined,
  };
}
