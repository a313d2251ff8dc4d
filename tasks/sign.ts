/**
 * `deno task sign`: signs the image with a given key, or with one for development.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { PrivateKey } from "openpgp";
import type { Arguments, CommandLine } from "./command_line.ts";
import { say, step } from "./console.ts";
import { IMAGE_OPERANDS, imagesOf } from "./image_operands.ts";
import {
  developmentKeyFiles,
  fingerprint,
  generateDevelopmentKey,
  keyIds,
  readSigningKey,
} from "./keys.ts";
import { existingFile } from "./option.ts";
import { DIST } from "./project.ts";
import {
  developmentKeyIds,
  holdRelease,
  signaturesOfOthers,
  signedFiles,
  tellHeld,
} from "./release.ts";
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

/** Tells whether an image, and its provenance if it has one, is signed. */
export function isSigned(image: string): boolean {
  return signedFiles(image).every((file) => existsSync(signatureFile(file)));
}

/**
 * Signs an image, and its provenance if it has one, with the development key, which is made when it
 * is missing. What another key has signed stays so.
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
  const others = await signaturesOfOthers(image, keyIds(key));
  const kept = others.map(({ file }) => file);
  if (!signedFiles(image).every((file) => kept.includes(file))) {
    const title = `signature of ${basename(image)} with the development key`;
    await step(title, () => signAll(image, key, kept));
  }
  for (const { file, by } of others) say(`  ${basename(file)} keeps its signature by ${by}`);
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
  const key = options.key === undefined
    ? await developmentKey(DIST)
    : await readSigningKey(options.key, readVariable("VOLO_KEY_PASSPHRASE"));
  const name = options.key ?? "the development key";
  for (const image of imagesOf(operands)) {
    await signAnew(image, key, name);
    say();
    say(`  file  ${signatureFile(image)}`);
    say(`  key   ${fingerprint(key)}`);
    say();
  }
}

/**
 * Signs an image. What another key has signed is kept elsewhere, unless it is the development's.
 */
async function signAnew(image: string, key: PrivateKey, name: string): Promise<void> {
  const own = [...await developmentKeyIds(), ...keyIds(key)];
  const release = await holdRelease(image, own);
  await step(`signature of ${basename(image)} with ${name}`, () => signAll(image, key));
  if (release) tellHeld(release);
}

/** Signs an image, and its provenance if it has one, but for some of them. */
async function signAll(
  image: string,
  key: PrivateKey,
  except: readonly string[] = [],
): Promise<void> {
  for (const file of signedFiles(image)) if (!except.includes(file)) await signImage(file, key);
}

if (import.meta.main) await runTask(COMMAND, main);
