/**
 * `deno task verify`: checks that an image is what this source makes, and that its signature is
 * valid.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename, relative } from "node:path";
import { PROGRAMS } from "../image/entrypoints.ts";
import { makeCodeCache, makeProgram } from "./build.ts";
import { bundle } from "./bundle.ts";
import type { Arguments, CommandLine } from "./command_line.ts";
import { say, step, taskCommand } from "./console.ts";
import { provenanceFile } from "./describe_image.ts";
import { IMAGE_OPERANDS, imagesOf } from "./image_operands.ts";
import { type Expected, inspectImage } from "./inspect.ts";
import { developmentKeyFiles, fingerprint, keyIds, readPublicKey } from "./keys.ts";
import { existingFile } from "./option.ts";
import { ENTRY, entryFile, VERSION } from "./project.ts";
import { signaturesOfOthers, signedFiles } from "./release.ts";
import { runTask } from "./run_task.ts";
import { provideRuntime, runtimeDigest } from "./runtime.ts";
import { verifyImageSignature } from "./signature.ts";
import { BUILD_VARIABLES } from "./variables.ts";
import { verifyDescription } from "./verify_description.ts";

const COMMAND = {
  name: "verify",
  purpose: `Checks images: manifest, members, programs and their permissions against this source,
    the signature, IMAGE.asc, and where they are there IMAGE.provenance.json and IMAGE.cdx.json:
    digests, inputs, and what is said to be in the image.`,
  options: { key: existingFile("the public key", "dist/development-key.pub.asc") },
  operands: IMAGE_OPERANDS,
  variables: BUILD_VARIABLES,
  examples: ["--key=release-key.pub.asc dist/stage1-volo.aci"],
} satisfies CommandLine;

const EXPECTED: Expected = {
  entry: ENTRY,
  runtime: (target) => runtimeDigest(target),
  program: (name, hasCodeCache, architecture) =>
    makeProgram(name, hasCodeCache, { entry: ENTRY, architecture }),
  codeCache: async (name, key, architecture) => {
    const runtime = await provideRuntime({ architecture });
    return await makeCodeCache(name, bundle(`${ENTRY}/${entryFile(name)}.ts`), key, {
      architecture,
      runtime,
    });
  },
};

/** The options of {@linkcode verifyImage}. */
export interface VerifyOptions {
  /** The file of the public key; the development key's when absent. */
  readonly key?: string | undefined;
  /** Whether signatures by others are told and not checked. */
  readonly toleratesOthers?: boolean;
}

/**
 * Checks an image and its signature, and prints a line for each step.
 *
 * @throws {Error} when a check fails; it names the first difference, in one line.
 */
export async function verifyImage(
  image: string,
  { key = developmentKeyFiles().public, toleratesOthers = false }: VerifyOptions = {},
): Promise<void> {
  // A wrong key is told before the programs are made again.
  const publicKey = await readPublicKey(key);
  const name = basename(image);
  const target = await step(
    `${name}: manifest, members and programs`,
    () => inspectImage(image, EXPECTED),
  );
  const differences = existsSync(provenanceFile(image))
    ? await step(
      `${name}: provenance and bill of materials`,
      () => verifyDescription(image, EXPECTED.runtime),
    )
    : undefined;
  const others = toleratesOthers ? await signaturesOfOthers(image, keyIds(publicKey)) : [];
  for (const file of signedFiles(image)) {
    if (others.some((other) => other.file === file)) continue;
    await step(`${basename(file)}: signature`, () => verifyImageSignature(file, publicKey));
  }
  say(`  version ${VERSION} for ${target.appc}: all members are as in the source`);
  say(`  ${PROGRAMS.join(", ")} carry the permissions of their tables`);
  say(`  ${describeOrigin(differences)}`);
  if (others.length === 0) say(`  signed by ${fingerprint(publicKey)}`);
  for (const { file, by } of others) {
    const command = taskCommand(`verify --key=FILE ${relative(Deno.cwd(), image)}`);
    say(`  ${basename(file)} is signed by ${by}, which was not checked: ${command}`);
  }
}

function describeOrigin(differences: readonly string[] | undefined): string {
  if (differences === undefined) return "there is no provenance: its origin was not checked";
  const tools = differences.length === 0 ? "" : `, with another ${differences.join(", ")}`;
  return `made from these sources and packages${tools}; its bill of materials is true`;
}

async function main({ options, operands }: Arguments<typeof COMMAND.options>): Promise<void> {
  for (const image of imagesOf(operands)) {
    await verifyImage(image, { key: options.key });
    say();
  }
}

if (import.meta.main) await runTask(COMMAND, main);
