/**
 * What another key than the development one has signed, such as the images of a release. The tasks
 * make images again in the same place, and then nothing of that may be lost: files that come out
 * the same keep their signatures, others are kept elsewhere as they were.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { say } from "./console.ts";
import { billFile, provenanceFile } from "./describe_image.ts";
import { digestFile, sha256 } from "./digest.ts";
import { developmentKeyFiles, keyIds, readPublicKey } from "./keys.ts";
import { discardSignature, isSignatureOf, readSigners, signatureFile } from "./signature.ts";

/** An image that was signed, while it is made or signed again. */
export interface Release {
  /** The file of the image. */
  readonly image: string;
  /** The directory with a copy of the image and all that belongs to it. */
  readonly directory: string;
  /** What others have signed of it. */
  readonly signed: readonly SignedFile[];
}

/** A signed file. */
interface SignedFile {
  readonly file: string;
  /** The key that its signature names. */
  readonly by: string;
}

/** Lists the files of an image that are signed: the image, and its provenance if it has one. */
export function signedFiles(image: string): string[] {
  return [image, provenanceFile(image)].filter((file) => file === image || existsSync(file));
}

/** Lists the IDs of the development key; none when it has not been made. */
export async function developmentKeyIds(): Promise<string[]> {
  const file = developmentKeyFiles().public;
  return existsSync(file) ? keyIds(await readPublicKey(file)) : [];
}

/**
 * Finds the signatures of an image and its provenance that were made by others.
 *
 * @param own The IDs of the keys whose signatures may be replaced.
 */
export async function signaturesOfOthers(
  image: string,
  own: readonly string[],
): Promise<SignedFile[]> {
  const found = await Promise.all(
    signedFiles(image).map(async (file) => {
      const signers = await readSigners(file);
      if (signers === undefined || signers.some((id) => own.includes(id))) return [];
      return [{ file, by: signers.length > 0 ? `key ${signers.join(", ")}` : "nobody known" }];
    }),
  );
  return found.flat();
}

/**
 * Keeps a copy of a signed image before it is made or signed again.
 *
 * @returns The copy, if another key has signed the image or its provenance.
 * @throws {Error} when the copy cannot be made.
 */
export async function holdRelease(
  image: string,
  own: readonly string[],
): Promise<Release | undefined> {
  if (!existsSync(image)) return undefined;
  const signed = await signaturesOfOthers(image, own);
  const [first] = signed;
  if (first === undefined) return undefined;
  const name = sha256(await Deno.readFile(signatureFile(first.file))).slice(0, 12);
  const directory = `${dirname(image)}/signed-${name}`;
  await Deno.mkdir(directory, { recursive: true });
  for (const file of filesOf(image)) await Deno.copyFile(file, `${directory}/${basename(file)}`);
  return { image, directory, signed };
}

/** Lists an image and the files that belong to it, if they are there. */
function filesOf(image: string): string[] {
  const signed = signedFiles(image).flatMap((file) => [file, signatureFile(file)]);
  return [...signed, billFile(image)].filter((file) => existsSync(file));
}

/**
 * Gives the files of an image that came out as they were the signatures that they had. The copy
 * goes if nothing of it was lost; otherwise a line says where it is.
 *
 * @throws {Error} when a file cannot be read or written.
 */
export async function settleRelease(release: Release): Promise<void> {
  const { directory, signed } = release;
  const kept = await Promise.all(signed.map(({ file }) => keepSignature(file, directory)));
  if (kept.every((isKept) => isKept)) await removeCopy(release);
  else tellHeld(release);
}

/** Tells whether a file is what was signed, and has its signature again. */
async function keepSignature(file: string, directory: string): Promise<boolean> {
  const before = `${directory}/${basename(file)}`;
  const isSame = existsSync(file) && await digest(file) === await digest(before);
  if (!isSame || !await isSignatureOf(before)) {
    await discardSignature(file);
    return false;
  }
  await Deno.copyFile(signatureFile(before), signatureFile(file));
  return true;
}

async function digest(file: string): Promise<string> {
  return (await digestFile(file, ["sha256"])).sha256;
}

async function removeCopy({ image, directory }: Release): Promise<void> {
  for (const file of filesOf(`${directory}/${basename(image)}`)) await Deno.remove(file);
  await Deno.remove(directory);
}

/** Says where an image is that others have signed, with their signatures. */
export function tellHeld({ image, directory, signed }: Release): void {
  const signers = [...new Set(signed.map(({ by }) => by))].join(" and ");
  say(`  ${basename(image)} as signed by ${signers} is kept in ${relative(Deno.cwd(), directory)}`);
}
