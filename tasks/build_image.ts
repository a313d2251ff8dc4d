/**
 * `deno task build-image`: compiles the entrypoints and puts them into the stage1 images.
 *
 * @module
 */

import type { PublicKey } from "openpgp";
import { IMAGE_NAMES, type ImageLabels, imageManifest } from "../image/manifest.ts";
import { CODE_CACHE_MEMBERS, type Member, MEMBERS } from "../image/members.ts";
import { compileNative, RECORDED_COMPILER } from "../image/native.ts";
import { type Flavor, FLAVORS } from "../src/stage1/flavor.ts";
import { type Content, writeImage } from "./aci.ts";
import { buildPrograms, type Program } from "./build.ts";
import { type Compression, COMPRESSIONS } from "./compression.ts";
import { formatSize, runTask, say, step, taskArguments, taskCommand } from "./console.ts";
import { describeImages, type MadeImage } from "./describe_image.ts";
import { fingerprint } from "./keys.ts";
import {
  type Architecture,
  architecture,
  ENTRY,
  IMAGES,
  imagesFor,
  outputDirectory,
  PROGRAMS,
  sourceDate,
  VERSION,
} from "./project.ts";
import type { CommonRecipe } from "./recipe.ts";
import { provideRuntime, RUNTIME_SOURCES, runtimeOrigin, type RuntimeSource } from "./runtime.ts";
import { signWithDevelopmentKey } from "./sign.ts";
import { discardSignature } from "./signature.ts";
import { digestInputs, makeUnlessCurrent } from "./stamp.ts";

const USAGE = `Usage: deno task build-image [OPTION…]

Compiles the four entrypoints and makes the stage1 images, which have them in common.

  --flavor=FLAVOR      host, for pods in the host's namespaces, or isolated, for pods with their own
                       (both)
  --output=FILE        the image, with --flavor (dist/stage1-volo.aci for host,
                       dist/stage1-volo-isolated.aci for isolated; for another processor
                       than this machine's, in dist/ARCH)
  --compression=HOW    none, or to be downloaded gzip, or xz: smaller, and slower to write and
                       to import (none)
  --arch=ARCH          amd64 or aarch64 (this machine's)
  --runtime=SOURCE     npm, download to leave it to deno compile, or auto to do so only
                       where there is no npm (auto); DENORT_BIN=FILE wins over all
  --no-sign            make no signature
  --debug              show where an error comes from`;

/** The options of a build of images. */
export interface ImageBuild {
  /** The file of the image of each flavor. */
  readonly outputs: Readonly<Partial<Record<Flavor, string>>>;
  /** The images' compression. */
  readonly compression: Compression;
  /** The processor that they are for. */
  readonly architecture: Architecture;
  /** The source of the entrypoints' runtime. */
  readonly runtime: RuntimeSource;
}

/** The build of `deno task build-image` without options. */
export const DEFAULT_BUILD: ImageBuild = {
  outputs: IMAGES,
  compression: "none",
  architecture: architecture(),
  runtime: "auto",
};

/** A built image. */
export interface BuiltImage {
  /** Its file. */
  readonly path: string;
  /** Its ID in rkt: `sha512-…`. */
  readonly id: string;
}

/**
 * Builds the entrypoints, the images, and the images' descriptions, and prints a line for each
 * step. Files that are there already from the same source are kept.
 *
 * @throws {Error} when an entrypoint or an image cannot be made.
 */
export async function buildImages(build: ImageBuild = DEFAULT_BUILD): Promise<BuiltImage[]> {
  const programs = await compileEntrypoints(build);
  const init = await buildInit(build);
  const images: (BuiltImage & MadeImage)[] = [];
  for (const flavor of FLAVORS) {
    const output = build.outputs[flavor];
    if (output) images.push(await packImage({ output, flavor, programs, init }, build));
  }
  await describeBuild(images, build);
  return images;
}

/** The parts of an image: its labels, and the programs, which are the same in all images. */
interface ImageParts {
  output: string;
  flavor: Flavor;
  programs: readonly Program[];
  init: Uint8Array;
}

async function packImage(
  { output, flavor, programs, init }: ImageParts,
  { architecture, compression }: ImageBuild,
): Promise<BuiltImage & MadeImage> {
  const title = `image ${IMAGE_NAMES[flavor]}, ${describe(compression)}`;
  const manifest = manifestText({ version: VERSION, arch: architecture.appc, flavor });
  const members = hasCodeCaches(programs) ? [...MEMBERS, ...CODE_CACHE_MEMBERS] : MEMBERS;
  const contents = members.map((member) => contentOf(member, manifest, programs, init));
  const id = await step(title, (progress) => {
    const options = { output, compression, date: sourceDate() };
    const inputs = digestInputs([members, manifest, [...init], programs, options]);
    return makeUnlessCurrent(output, inputs, async () => {
      await discardSignature(output);
      return await writeImage(contents, options, progress);
    });
  });
  return { path: output, id, flavor, contents };
}

/** Writes the images' bills of materials and provenance. */
async function describeBuild(images: readonly MadeImage[], build: ImageBuild): Promise<void> {
  const { architecture, compression, runtime: source } = build;
  const recipe: CommonRecipe = {
    compression,
    architecture: architecture.appc,
    runtime: runtimeOrigin({ architecture, source }),
    sourceDateEpoch: sourceDate().getTime() / 1000,
  };
  await step("bills of materials and provenance", () => describeImages(images, recipe));
}

/** Compiles `init`. Reports when the compiler is not the recorded one: it makes other bytes. */
async function buildInit({ architecture: { appc } }: ImageBuild): Promise<Uint8Array> {
  const { bytes, compiler } = await step(
    "init",
    () => Promise.resolve(compileNative("init", appc)),
  );
  if (compiler !== RECORDED_COMPILER) {
    say(`  init and the launcher are ${compiler}'s; the releases' are ${RECORDED_COMPILER}'s`);
  }
  return bytes;
}

async function compileEntrypoints(build: ImageBuild): Promise<Program[]> {
  const { architecture, runtime: source } = build;
  const runtime = await step(
    "runtime of the entrypoints",
    () => provideRuntime({ architecture, source }),
  );
  const options = { entry: ENTRY, output: outputDirectory(architecture), architecture, runtime };
  const programs = await step(
    `entrypoints ${PROGRAMS.join(", ")}`,
    (progress) => buildPrograms(options, progress),
  );
  if (!hasCodeCaches(programs)) {
    say(`  without V8's code cache, which takes qemu-user-static for ${architecture.appc}`);
  }
  return programs;
}

function manifestText(labels: ImageLabels): string {
  return JSON.stringify(imageManifest(labels), null, 2) + "\n";
}

function contentOf(
  member: Member,
  manifest: string,
  programs: readonly Program[],
  init: Uint8Array,
): Content {
  if (member.type === "directory") return { member };
  if (member.program === "init") return { member, from: init };
  const file = programs.find(({ name }) => name === member.program)?.path ??
    programs.find(({ name }) => name === member.codeCacheOf)?.codeCache;
  return { member, from: file ? { file } : new TextEncoder().encode(manifest) };
}

function hasCodeCaches(programs: readonly Program[]): boolean {
  return programs.some(({ codeCache }) => codeCache !== undefined);
}

function describe(compression: Compression): string {
  return compression === "none" ? "not compressed" : `compressed with ${compression}`;
}

async function main(args: string[]): Promise<void> {
  const options = taskArguments(args, {
    boolean: ["no-sign"],
    string: ["output", "flavor", "compression", "arch", "runtime"],
    usage: USAGE,
  });
  const target = architecture(options.arch);
  const images = await buildImages({
    outputs: chooseOutputs(imagesFor(target), options.flavor, options.output),
    compression: oneOf(
      "compression",
      COMPRESSIONS,
      options.compression ?? DEFAULT_BUILD.compression,
    ),
    architecture: target,
    runtime: oneOf("runtime", RUNTIME_SOURCES, options.runtime ?? DEFAULT_BUILD.runtime),
  });
  for (const image of images) {
    const key = options["no-sign"] ? undefined : await signWithDevelopmentKey(image.path);
    await summarize(image, key);
  }
}

function chooseOutputs(
  images: typeof IMAGES,
  flavor?: string,
  output?: string,
): ImageBuild["outputs"] {
  if (flavor !== undefined) {
    const kind = oneOf("flavor", FLAVORS, flavor);
    return { [kind]: output ?? images[kind] };
  }
  if (output !== undefined) throw new Error("--output: of which image? Say --flavor as well");
  return images;
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
  say(`Check it:         ${taskCommand(`verify ${path}`)}`);
  say(`Use it with rkt:  rkt --insecure-options=image run --stage1-path=${path} IMAGE`);
  say();
}

if (import.meta.main) await runTask("build-image", main);
