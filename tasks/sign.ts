/**
 * `deno task sign`: signs the image with a given key, or with one for development.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { PrivateKey } from "openpgp";
import type { Arguments, CommandLine } from "./command_line.ts";
import { say, step } from "./console.ts";
import { provenanceFile } from "./describe_image.ts";
import { IMAGE_OPERANDS, imagesOf } from "./image_operands.ts";
import { fingerprint, generateDevelopmentKey, readSigningKey } from "./keys.ts";
import { existingFile } from "./option.ts";
import { DIST } from "./project.ts";
import { runTask } from "./run_task.ts";
import { signatureFile, signImage } from "./signature.ts";
import { readVariable } from "./variables.ts";

const COMMAND = {
  name: "sign",
  purpose: `Signs images for rkt: a detached OpenPGP signature each, IMAGE.asc; and what they were
    made from, IMAGE.provenance.json.asc.`,
  options: {
    key: existingFile(
      "the private RSA key",
      "a throw-away key, dist/development-key.asc, made when it is missing",
    ),
  },
  operands: IMAGE_OPERANDS,
  variables: ["VOLO_KEY_PASSPHRASE"],
  examples: ["--key=release-key.asc dist/stage1-volo.aci dist/stage1-volo-isolated.aci"],
} satisfies CommandLine;

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

async function main({ options, operands }: Arguments<typeof COMMAND.options>): Promise<void> {
  for (const image of imagesOf(operands)) {
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
  const key = await readSigningKey(file, readVariable("VOLO_KEY_PASSPHRASE"));
  await step(`signatures with ${file}`, () => signAll(image, key));
  return key;
}

/** Signs an image, and its provenance if it has one. */
async function signAll(image: string, key: PrivateKey): Promise<void> {
  for (const file of signedFiles(image)) await signImage(file, key);
}

if (import.meta.main) await runTask(COMMAND, main);
