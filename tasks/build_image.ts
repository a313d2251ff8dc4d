/**
 * `deno task build-image`: compiles the entrypoints and puts them into the stage1 image.
 *
 * @module
 */

import type { PublicKey } from "openpgp";
import { imageManifest } from "../image/manifest.ts";
import { type Member, MEMBERS } from "../image/members.ts";
import { type Content, writeImage } from "./aci.ts";
import { buildPrograms, type Program } from "./build.ts";
import { type Compression, COMPRESSIONS } from "./compression.ts";
import { formatSize, runTask, say, step, taskArguments, taskCommand } from "./console.ts";
import { fingerprint } from "./keys.ts";
import {
  type Architecture,
  architecture,
  DIST,
  ENTRY,
  IMAGE,
  PROGRAMS,
  sourceDate,
  VERSION,
} from "./project.ts";
import { provideRuntime, RUNTIME_SOURCES, type RuntimeSource } from "./runtime.ts";
import { signWithDevelopmentKey } from "./sign.ts";
import { discardSignature } from "./signature.ts";
import { digestInputs, makeUnlessCurrent } from "./stamp.ts";

const USAGE = `Usage: deno task build-image [OPTION…]

Compiles the four entrypoints and makes the stage1 image.

  --output=FILE        the image (dist/stage1-volo.aci)
  --compression=HOW    gzip, xz (a quarter of the size, slower) or none (gzip)
  --arch=ARCH          amd64 or aarch64 (this machine's)
  --runtime=SOURCE     npm, download to leave it to deno compile, or auto to do so only
                       where npm has not installed it (auto); DENORT_BIN=FILE wins over all
  --no-sign            make no signature
  --debug              show where an error comes from`;

/** How the image is built. */
export interface ImageBuild {
  /** The image's file. */
  readonly output: string;
  /** Its compression. */
  readonly compression: Compression;
  /** The processor it is for. */
  readonly architecture: Architecture;
  /** Where the entrypoints' runtime comes from. */
  readonly runtime: RuntimeSource;
}

/** What `deno task build-image` does without options. */
export const DEFAULT_BUILD: ImageBuild = {
  output: IMAGE,
  compression: "gzip",
  architecture: architecture(),
  runtime: "auto",
};

/** An image that was built. */
export interface BuiltImage {
  /** Its file. */
  readonly path: string;
  /** Its ID, as rkt has it: `sha512-…`. */
  readonly id: string;
}

/**
 * Builds the entrypoints and the image, with a printed line for each step. What is there already from
 * the same source is kept.
 *
 * @throws {Error} when an entrypoint or the image cannot be made.
 */
export async function buildImage(build: ImageBuild = DEFAULT_BUILD): Promise<BuiltImage> {
  const programs = await compileEntrypoints(build);
  const id = await step(`image, ${describe(build.compression)}`, (progress) => {
    const manifest = manifestText(build.architecture);
    const options = { output: build.output, compression: build.compression, date: sourceDate() };
    const inputs = digestInputs([MEMBERS, manifest, programs, options]);
    const contents = MEMBERS.map((member) => contentOf(member, manifest, programs));
    return makeUnlessCurrent(build.output, inputs, async () => {
      await discardSignature(build.output);
      return await writeImage(contents, options, progress);
    });
  });
  return { path: build.output, id };
}

async function compileEntrypoints(build: ImageBuild): Promise<Program[]> {
  const { architecture, runtime: source } = build;
  const runtime = await step(
    "runtime of the entrypoints",
    () => provideRuntime({ architecture, source }),
  );
  const options = { entry: ENTRY, output: DIST, architecture, runtime };
  return await step(
    `entrypoints ${PROGRAMS.join(", ")}`,
    (progress) => buildPrograms(options, progress),
  );
}

function manifestText({ appc }: Architecture): string {
  return JSON.stringify(imageManifest({ version: VERSION, arch: appc }), null, 2) + "\n";
}

function contentOf(member: Member, manifest: string, programs: readonly Program[]): Content {
  if (member.type === "directory") return { member };
  const program = programs.find(({ name }) => name === member.program);
  const from = program ? { file: program.path } : new TextEncoder().encode(manifest);
  return { member, from };
}

function describe(compression: Compression): string {
  return compression === "none" ? "not compressed" : `compressed with ${compression}`;
}

async function main(args: string[]): Promise<void> {
  const options = taskArguments(args, {
    boolean: ["no-sign"],
    string: ["output", "compression", "arch", "runtime"],
    usage: USAGE,
  });
  const image = await buildImage({
    output: options.output ?? DEFAULT_BUILD.output,
    compression: oneOf(
      "compression",
      COMPRESSIONS,
      options.compression ?? DEFAULT_BUILD.compression,
    ),
    architecture: architecture(options.arch),
    runtime: oneOf("runtime", RUNTIME_SOURCES, options.runtime ?? DEFAULT_BUILD.runtime),
  });
  const key = options["no-sign"] ? undefined : await signWithDevelopmentKey(image.path);
  await summarize(image, key);
}

function oneOf<const T extends string>(option: string, known: readonly T[], value: string): T {
  const found = known.find((each) => each === value);
  if (found === undefined) throw new Error(`--${option}: ${value} is not ${known.join(" or ")}`);
  return found;
}

async function summarize({ path, id }: BuiltImage, key?: PublicKey): Promise<void> {
  const { size } = await Deno.stat(path);
  say();
  say(`  file  ${path} (${formatSize(size)})`);
  say(`  ID    ${id}`);
  if (key !== undefined) say(`  key   ${fingerprint(key)}`);
  say();
  say(`Check it:         ${taskCommand("verify")}`);
  say(`Use it with rkt:  rkt --insecure-options=image run --stage1-path=${path} IMAGE`);
}

if (import.meta.main) await runTask("build-image", main);
