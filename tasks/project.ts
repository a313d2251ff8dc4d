/**
 * The project's directories and version, and the processors that it is built for.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import config from "../deno.json" with { type: "json" };
import type { ProgramName } from "../image/entrypoints.ts";
import { IMAGE_NAMES } from "../image/manifest.ts";
import type { Flavor } from "../src/stage1/flavor.ts";

/** The project's directory. */
export const ROOT: string = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");

/** The directory of all that the tasks make. */
export const DIST = `${ROOT}/dist`;

/** The directory of the entrypoints and their permissions. */
export const ENTRY = `${ROOT}/entry`;

/** The project's version, from `deno.json`. */
export const VERSION: string = config.version;

/** Returns the name, without an ending, of an entrypoint's files in the sources. */
export function entryFile(program: ProgramName): string {
  return program.replaceAll("-", "_");
}

/** A processor, by the names that it has in several places. */
export interface Architecture {
  /** In an appc image's `arch` label. */
  readonly appc: "amd64" | "aarch64";
  /** In `Deno.build.arch`. */
  readonly deno: typeof Deno.build.arch;
  /** In the names of npm's platform packages. */
  readonly npm: "x64" | "arm64";
  /** As the target of `deno compile`. */
  readonly target: string;
  /** As `e_machine` of an ELF file: elf(5). */
  readonly elf: number;
}

/** The processors that the image can be built for. */
export const ARCHITECTURES: readonly Architecture[] = [
  {
    appc: "amd64",
    deno: "x86_64",
    npm: "x64",
    target: "x86_64-unknown-linux-gnu",
    elf: 62,
  },
  {
    appc: "aarch64",
    deno: "aarch64",
    npm: "arm64",
    target: "aarch64-unknown-linux-gnu",
    elf: 183,
  },
];

/**
 * Returns a processor by its name.
 *
 * @param name Its name in the image's `arch` label; by default, that of this machine's processor.
 * @throws {Error} when images cannot be built for it.
 */
export function architecture(name?: string): Architecture {
  const found = name === undefined
    ? ARCHITECTURES.find(({ deno }) => deno === Deno.build.arch)
    : ARCHITECTURES.find(({ appc }) => appc === name);
  if (found !== undefined) return found;
  const known = ARCHITECTURES.map(({ appc }) => appc).join(" and ");
  throw new Error(`architecture ${name ?? Deno.build.arch}: the image is built for ${known} only`);
}

/**
 * Returns the directory of all that is made for a processor: its own, if it is not this machine's.
 */
export function outputDirectory({ appc, deno }: Architecture): string {
  return deno === Deno.build.arch ? DIST : `${DIST}/${appc}`;
}

/** Returns the default files of the images for a processor. */
export function imagesFor(architecture: Architecture): Readonly<Record<Flavor, string>> {
  const directory = outputDirectory(architecture);
  return {
    host: `${directory}/${IMAGE_NAMES.host}.aci`,
    isolated: `${directory}/${IMAGE_NAMES.isolated}.aci`,
  };
}

/** The default images of the tasks: those for this machine's processor. */
export const IMAGES: Readonly<Record<Flavor, string>> = imagesFor(architecture());

/** 2026-01-01T00:00:00Z, in seconds. Any fixed time would do. */
const DEFAULT_EPOCH = 1_767_225_600;

/**
 * Returns the time of all files in the image, so that the same source gives the same bytes:
 * `SOURCE_DATE_EPOCH`, as reproducible-builds.org has it, or a fixed time.
 *
 * @throws {Error} when `SOURCE_DATE_EPOCH` is not a number of seconds.
 */
export function sourceDate(value = Deno.env.get("SOURCE_DATE_EPOCH")): Date {
  if (!value) return new Date(DEFAULT_EPOCH * 1000);
  try {
    return new Date(readEpoch(value) * 1000);
  } catch (cause) {
    throw new Error("SOURCE_DATE_EPOCH", { cause });
  }
}

/**
 * Reads a time in seconds.
 *
 * @throws {Error} when it is not one.
 */
export function readEpoch(text: string): number {
  if (/^\d{1,11}$/.test(text)) return Number(text);
  throw new Error(`${JSON.stringify(text)} is not a number of seconds`);
}
