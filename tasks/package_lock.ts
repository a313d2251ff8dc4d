/**
 * The npm packages of `package-lock.json`.
 *
 * @module
 */

import lock from "../package-lock.json" with { type: "json" };

/** The entry of a package in the lock file. */
interface Entry {
  readonly version?: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly cpu?: readonly string[];
  readonly os?: readonly string[];
}

/** The packages of a lock file, by their directories. */
export type Entries = Readonly<Record<string, Entry>>;

/** A package of the lock file. */
export interface LockedPackage {
  /** The name by which it is imported. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** The SPDX expression of its licence. */
  readonly license: string | undefined;
  /** The SHA-512 of its archive in the registry, in hexadecimal, if the lock file has it. */
  readonly sha512: string | undefined;
}

/** A machine, by npm's names. */
export interface Platform {
  /** Its processor. */
  readonly cpu: string;
  /** Its system. */
  readonly os: string;
}

/** The names of the packages that carry the runtime, without the processor at their end. */
const RUNTIME_PACKAGES = "@stdy/cli-linux-";

/** Returns the package that carries the runtime for a processor, which has npm's name. */
export function runtimePackage(cpu: string): string {
  return `${RUNTIME_PACKAGES}${cpu}`;
}

/**
 * Finds a package by its name.
 *
 * @throws {Error} when the lock file has no package of this name.
 */
export function lockedPackage(name: string, entries: Entries = lock.packages): LockedPackage {
  const entry = entries[`node_modules/${name}`];
  if (entry === undefined) throw new Error(`package-lock.json: ${name} is not in it`);
  return describe(name, entry);
}

/**
 * Lists the packages that build an image on a machine: those for that machine, without those that
 * only tests use, and without carriers of runtimes, since these depend on the image.
 */
export function buildPackages(
  platform: Platform,
  entries: Entries = lock.packages,
): LockedPackage[] {
  return Object.entries(entries)
    .filter(([path, entry]) => path !== "" && entry.dev !== true && isFor(platform, entry))
    .map(([path, entry]) => describe(path.replace(/^.*node_modules\//, ""), entry))
    .filter(({ name }) => !name.startsWith(RUNTIME_PACKAGES));
}

/** Formats a package as a package URL: ECMA-427. */
export function packageUrl({ name, version }: LockedPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function isFor(platform: Platform, { cpu, os }: Entry): boolean {
  return cpu?.includes(platform.cpu) !== false && os?.includes(platform.os) !== false;
}

function describe(name: string, { version = "", license, integrity }: Entry): LockedPackage {
  return { name, version, license, sha512: integrity && hexadecimal(integrity) };
}

/** Decodes a subresource integrity of the lock file: `sha512-` and base64. */
function hexadecimal(integrity: string): string | undefined {
  const [, base64] = integrity.match(/^sha512-([\w+/]+=*)$/) ?? [];
  return base64 && Uint8Array.fromBase64(base64).toHex();
}
