/**
 * `deno task build-image`: compiles the entrypoints and puts them into the stage1 images.
 *
 * @module
 */

import { relative } from "node:path";
import type { PublicKey } from "openpgp";
import { PROGRAMS } from "../image/entrypoints.ts";
import { IMAGE_NAMES, type ImageLabels, imageManifest } from "../image/manifest.ts";
import { CODE_CACHE_MEMBERS, type Member, MEMBERS } from "../image/members.ts";
import { compileNative, RECORDED_COMPILER } from "../image/native.ts";
import { type Flavor, FLAVORS } from "../src/stage1/flavor.ts";
import { type Content, writeImage } from "./aci.ts";
import { buildPrograms, type Program } from "./build.ts";
import { type Arguments, type CommandLine, WrongUse } from "./command_line.ts";
import { type Compression, COMPRESSIONS } from "./compression.ts";
import { formatSize, say, step, taskCommand } from "./console.ts";
import { describeImages, type MadeImage } from "./describe_image.ts";
import { fingerprint } from "./keys.ts";
import { choice, flag, newFile } from "./option.ts";
import {
  type Architecture,
  architecture,
  ARCHITECTURES,
  ENTRY,
  IMAGES,
  imagesFor,
  outputDirectory,
  sourceDate,
  VERSION,
} from "./project.ts";
import type { CommonRecipe } from "./recipe.ts";
import {
  developmentKeyIds,
  holdRelease,
  type Release,
  settleRelease,
  tellHeld,
} from "./release.ts";
import { runTask } from "./run_task.ts";
import {
  isOwnRuntime,
  provideRuntime,
  RUNTIME_SOURCES,
  runtimeOrigin,
  type RuntimeSource,
} from "./runtime.ts";
import { signWithDevelopmentKey } from "./sign.ts";
import { discardSignature } from "./signature.ts";
import { digestInputs, makeUnlessCurrent } from "./stamp.ts";
import { BUILD_VARIABLES } from "./variables.ts";

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
 * step. Files that are there already from the same source are kept, and so are signatures of theirs
 * by others; what others have signed and comes out differently is kept elsewhere.
 *
 * @throws {Error} when an entrypoint or an image cannot be made.
 */
export async function buildImages(build: ImageBuild = DEFAULT_BUILD): Promise<BuiltImage[]> {
  const programs = await compileEntrypoints(build);
  const init = await buildInit(build);
  const images: (BuiltImage & MadeImage)[] = [];
  const releases: Release[] = [];
  const own = await developmentKeyIds();
  try {
    for (const flavor of FLAVORS) {
      const output = build.outputs[flavor];
      if (output === undefined) continue;
      const release = await holdRelease(output, own);
      if (release) releases.push(release);
      images.push(await packImage({ output, flavor, programs, init }, build));
    }
    await describeBuild(images, build);
  } catch (error) {
    releases.forEach(tellHeld);
    throw error;
  }
  for (const release of releases) await settleRelease(release);
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
  if (isOwnRuntime(architecture)) {
    say(
      `  it is that in DENORT_BIN: a denort by its own words, and not the pinned one by its digest`,
    );
  }
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

const COMMAND = {
  name: "build-image",
  purpose: `Compiles the entrypoints and makes the stage1 images, which have them in common,
    with their bills of materials and provenance.`,
  options: {
    flavor: choice("FLAVOR", FLAVORS, {
      meaning: "host, for pods in the host's namespaces, or isolated, for pods with their own",
      shown: "both",
    }),
    output: newFile(
      "the image, with --flavor",
      "dist/stage1-volo.aci or dist/stage1-volo-isolated.aci; for another processor than this " +
        "machine's, in dist/ARCH",
    ),
    compression: choice("HOW", COMPRESSIONS, {
      meaning:
        "none, or for images that are downloaded gzip, or xz: smaller, and slower to write " +
        "and to import",
      fallback: DEFAULT_BUILD.compression,
    }),
    arch: choice("ARCH", ARCHITECTURES.map(({ appc }) => appc), {
      meaning: "amd64 or aarch64",
      shown: "this machine's",
    }),
    runtime: choice("SOURCE", RUNTIME_SOURCES, {
      meaning: "npm, download to leave it to deno compile, or auto to do so only where there is " +
        "no npm; DENORT_BIN wins over all",
      fallback: DEFAULT_BUILD.runtime,
    }),
    "no-sign": flag("make no signature"),
  },
  variables: BUILD_VARIABLES,
  examples: ["--flavor=isolated --compression=xz", "--arch=aarch64 --no-sign"],
} satisfies CommandLine;

async function main({ options }: Arguments<typeof COMMAND.options>): Promise<void> {
  const { compression, runtime, flavor, output } = options;
  const target = architecture(options.arch);
  const images = await buildImages({
    outputs: chooseOutputs(imagesFor(target), flavor, output),
    compression,
    architecture: target,
    runtime,
  });
  for (const image of images) {
    const key = options["no-sign"] ? undefined : await signWithDevelopmentKey(image.path);
    await summarize(image, key);
  }
}

function chooseOutputs(
  images: typeof IMAGES,
  flavor?: Flavor,
  output?: string,
): ImageBuild["outputs"] {
  if (flavor !== undefined) return { [flavor]: output ?? images[flavor] };
  if (output !== undefined) throw new WrongUse("--output: of which image? Say --flavor as well");
  return images;
}

async function summarize({ path, id }: BuiltImage, key?: PublicKey): Promise<void> {
  const { size } = await Deno.stat(path);
  const shown = relative(Deno.cwd(), path);
  say();
  say(`  file  ${shown} (${formatSize(size)})`);
  say(`  ID    ${id}`);
  if (key !== undefined) say(`  key   ${fingerprint(key)}`);
  say();
  say(`Check it:         ${taskCommand(`verify ${shown}`)}`);
  say(`Use it with rkt:  ${runCommand(path)}`);
  say();
}

/**
 * Returns the command by which rkt runs a pod with an image, without a check of signatures. The
 * image's path is short from where the user is, which is not where npm runs tasks.
 */
export function runCommand(image: string, ...options: string[]): string {
  const path = relative(Deno.env.get("INIT_CWD") ?? Deno.cwd(), image);
  const stage1 = ["--insecure-options=image", `--stage1-path=${path}`];
  return ["rkt", "run", ...stage1, ...options, "APP.aci"].join(" ");
}

if (import.meta.main) await runTask(COMMAND, main);
