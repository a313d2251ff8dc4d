/**
 * The materials of an image, with their digests: the `resolvedDependencies` of its provenance.
 *
 * @module
 */

import { findCompiler } from "../image/native.ts";
import { digestFile, type DigestSet } from "./digest.ts";
import {
  buildPackages,
  type LockedPackage,
  lockedPackage,
  packageUrl,
  runtimePackage,
} from "./package_lock.ts";
import { architecture, ROOT } from "./project.ts";
import type { CommonRecipe } from "./recipe.ts";
import { digestSources, sourceCommit, SOURCES } from "./sources.ts";

/** A material that an image is made from: a `ResourceDescriptor` of in-toto. */
export interface Material {
  /** Its name. */
  readonly name: string;
  /** Its package URL, if it is from a registry. */
  readonly uri?: string;
  /** Its digests, if they are known. */
  readonly digest?: DigestSet | undefined;
  /** Further facts about it. */
  readonly annotations?: Readonly<Record<string, unknown>>;
}

/** Materials that may differ between machines and commits although the images are the same. */
const CIRCUMSTANCES: readonly string[] = ["commit", "deno", "gcc", "cc1", "as", "ld", "xz"];

/**
 * Gathers the materials of images that are made on this machine.
 *
 * @param runtime The SHA-256 of the images' runtime.
 * @throws {Error} when a material is missing.
 */
export async function gatherMaterials(recipe: CommonRecipe, runtime: string): Promise<Material[]> {
  return [
    ...await sources(),
    { name: "denort", digest: { sha256: runtime } },
    ...packages(recipe).map(describePackage),
    await tool("deno", Deno.execPath(), { version: Deno.version.deno }),
    ...await compiler(recipe),
    ...recipe.compression === "xz" ? [await tool("xz", await which("xz"))] : [],
  ];
}

async function sources(): Promise<Material[]> {
  const commit = await sourceCommit();
  const git = commit === undefined ? "absent" : commit.modified ? "modified" : "unmodified";
  const lock = await digestFile(`${ROOT}/package-lock.json`, ["sha256"]);
  return [
    {
      name: "sources",
      digest: { sha256: await digestSources() },
      annotations: { files: SOURCES, git },
    },
    ...commit === undefined ? [] : [{ name: "commit", digest: { gitCommit: commit.id } }],
    { name: "package-lock.json", digest: lock },
  ];
}

function packages({ architecture: appc, runtime }: CommonRecipe): LockedPackage[] {
  const installed = buildPackages({ cpu: architecture().npm, os: "linux" }).filter(isUsed);
  if (runtime !== "npm") return installed;
  return [...installed, lockedPackage(runtimePackage(architecture(appc).npm))];
}

/** Tells whether a package is used: npm's Deno is not, when another Deno runs this task. */
function isUsed({ name }: LockedPackage): boolean {
  return !name.startsWith("@deno/") || Deno.execPath().includes(`/node_modules/${name}/`);
}

function describePackage(locked: LockedPackage): Material {
  const { name, sha512 } = locked;
  return { name, uri: packageUrl(locked), ...sha512 !== undefined && { digest: { sha512 } } };
}

/** Lists the programs of the C compiler: `gcc` only calls the others. */
async function compiler({ architecture: appc }: CommonRecipe): Promise<Material[]> {
  const { program, version } = findCompiler("launcher", appc);
  const parts = ["cc1", "as", "ld"].map(async (name) => {
    const found = await output(program, [`-print-prog-name=${name}`]);
    return await tool(name, await which(found));
  });
  return [await tool("gcc", await which(program), { version }), ...await Promise.all(parts)];
}

async function tool(
  name: string,
  file: string,
  annotations?: Material["annotations"],
): Promise<Material> {
  return { name, digest: await digestFile(file, ["sha256"]), ...annotations && { annotations } };
}

async function which(program: string): Promise<string> {
  return await output("sh", ["-c", 'command -v "$1"', "sh", program]);
}

async function output(program: string, args: string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: it fails`);
  return new TextDecoder().decode(stdout).trim();
}

/**
 * Compares the materials of an image with those on this machine.
 *
 * @returns The names of materials that differ and may do so, such as the compiler.
 * @throws {Error} when another material differs; it names the first one.
 */
export function compareMaterials(
  recorded: readonly Material[],
  here: readonly Material[],
): string[] {
  const different = recorded.map(({ name, digest }) => {
    const own = here.find((each) => each.name === name);
    const same = own !== undefined && isSame(digest, own.digest);
    if (same || own === undefined || CIRCUMSTANCES.includes(name)) return same ? [] : [name];
    throw new Error(
      `${name}: the image was made from ${show(digest)}, and here is ${show(own.digest)}`,
    );
  });
  const missing = here.filter(({ name }) => !recorded.some((each) => each.name === name));
  return [...different.flat(), ...missing.map(({ name }) => name)];
}

function isSame(one: DigestSet = {}, other: DigestSet = {}): boolean {
  return show(one) === show(other);
}

function show(digest: DigestSet = {}): string {
  return Object.entries(digest).map(([name, value]) => `${name}:${value}`).join(" ") ||
    "nothing known";
}
