/**
 * The npm packages of `package-lock.json`.
 *
 * @module
 */

import lock from "../package-lock.json" with { type: "json" };

/** What the lock file says of a package. */
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
  /** As it is imported. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
  /** The SPDX expression of its licence. */
  readonly license: string | undefined;
  /** The digest of its archive in the registry, in hexadecimal, where the lock file has one. */
  readonly sha512: string | undefined;
}

/** A machine, in npm's names. */
export interface Platform {
  /** Its processor. */
  readonly cpu: string;
  /** Its system. */
  readonly os: string;
}

/** What the carriers of the runtime are called, up to the processor that it is for. */
const RUNTIME_PACKAGES = "@stdy/cli-linux-";

/** The package that carries the runtime for a processor, in npm's name for that. */
export function runtimePackage(cpu: string): string {
  return `${RUNTIME_PACKAGES}${cpu}`;
}

/**
 * Finds a package by its name.
 *
 * @throws {Error} when the lock file has none of this name.
 */
export function lockedPackage(name: string, entries: Entries = lock.packages): LockedPackage {
  const entry = entries[`node_modules/${name}`];
  if (entry === undefined) throw new Error(`package-lock.json: ${name} is not in it`);
  return describe(name, entry);
}

/**
 * Lists the packages that build an image on a machine: those for it, and none that only tests use.
 * The carriers of runtimes are left out, because the image that is built decides about them.
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

/** Writes a package as a package URL: ECMA-427. */
export function packageUrl({ name, version }: LockedPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

function isFor(platform: Platform, { cpu, os }: Entry): boolean {
  return cpu?.includes(platform.cpu) !== false && os?.includes(platform.os) !== false;
}

function describe(name: string, { version = "", license, integrity }: Entry): LockedPackage {
  return { name, version, license, sha512: integrity && hexadecimal(integrity) };
}

/** Subresource integrity, as the lock file has it, is `sha512-` and base64. */
function hexadecimal(integrity: string): string | undefined {
  const [, base64] = integrity.match(/^sha512-([\w+/]+=*)$/) ?? [];
  return base64 && Uint8Array.fromBase64(base64).toHex();
}
