/**
 * `deno task sign`: signs the image with a given key, or with one for development.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { PrivateKey } from "openpgp";
import { runTask, say, step, taskArguments } from "./console.ts";
import { provenanceFile } from "./describe_image.ts";
import { fingerprint, generateDevelopmentKey, readSigningKey } from "./keys.ts";
import { DIST, IMAGES } from "./project.ts";
import { signatureFile, signImage } from "./signature.ts";

const USAGE = `Usage: deno task sign [OPTION…] [IMAGE…]

Signs images (both of dist) for rkt: a detached OpenPGP signature each, IMAGE.asc; and what they
were made from, IMAGE.provenance.json.asc.

  --key=FILE  the private RSA key; its passphrase is taken from VOLO_KEY_PASSPHRASE
              (a throw-away key, dist/development-key.asc, made when it is missing)
  --debug     show where an error comes from`;

/** Returns the files of the development key's halves, in a directory. */
export function developmentKeyFiles(directory = DIST): { secret: string; public: string } {
  return {
    secret: `${directory}/development-key.asc`,
    public: `${directory}/development-key.pub.asc`,
  };
}

/** Lists the files of an image that are signed: the image, and its provenance if it has one. */
export function signedFiles(image: string): string[] {
  return [image, provenanceFile(image)].filter((file) => file === image || existsSync(file));
}

/** Tells whether an image, and its provenance if it has one, is signed. */
export function isSigned(image: string): boolean {
  return signedFiles(image).every((file) => existsSync(signatureFile(file)));
}

/**
 * Signs an image with the development key, which is made when it is missing.
 *
 * @param directory The directory in which the key is kept.
 * @returns The key.
 * @throws {Error} when the key or the image cannot be read or written.
 */
export async function signWithDevelopmentKey(
  image: string,
  directory = DIST,
): Promise<PrivateKey> {
  const key = await developmentKey(directory);
  await step("signatures with the development key", () => signAll(image, key));
  return key;
}

async function developmentKey(directory: string): Promise<PrivateKey> {
  const files = developmentKeyFiles(directory);
  try {
    return await readSigningKey(files.secret);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return await step("development key, once", () => createDevelopmentKey(files));
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof Deno.errors.NotFound;
}

async function createDevelopmentKey(
  files: ReturnType<typeof developmentKeyFiles>,
): Promise<PrivateKey> {
  const key = await generateDevelopmentKey();
  await Deno.mkdir(dirname(files.secret), { recursive: true });
  await Deno.writeTextFile(files.public, key.toPublic().armor());
  await Deno.writeTextFile(files.secret, key.armor(), { mode: 0o600, createNew: true });
  return key;
}

async function main(args: string[]): Promise<void> {
  const options = taskArguments(args, { string: ["key"], usage: USAGE });
  const images = options._.length > 0 ? options._ : Object.values(IMAGES);
  for (const image of images) {
    const key = options.key === undefined
      ? await signWithDevelopmentKey(image)
      : await signWithKey(image, options.key);
    say();
    say(`  file  ${signatureFile(image)}`);
    say(`  key   ${fingerprint(key)}`);
    say();
  }
}

async function signWithKey(image: string, file: string): Promise<PrivateKey> {
  const key = await readSigningKey(file, Deno.env.get("VOLO_KEY_PASSPHRASE"));
  await step(`signatures with ${file}`, () => signAll(image, key));
  return key;
}

/** Signs an image, and its provenance if it has one. */
async function signAll(image: string, key: PrivateKey): Promise<void> {
  for (const file of signedFiles(image)) await signImage(file, key);
}

if (import.meta.main) await runTask("sign", main);
