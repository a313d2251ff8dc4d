/**
 * npm packages that are not installed: npm installs none for another processor than this machine's.
 *
 * @module
 */

import { createTarDecoder } from "modern-tar";
import { existsSync } from "node:fs";
import { openDecompressed } from "./compression.ts";
import { digestFile } from "./digest.ts";
import type { LockedPackage } from "./package_lock.ts";
import { ROOT } from "./project.ts";

/** Finds npm on the `PATH`. Returns an empty string when there is none. */
export function findNpm(path = Deno.env.get("PATH") ?? ""): string {
  const candidates = path.split(":").map((directory) => `${directory}/npm`);
  return candidates.find((candidate) => existsSync(candidate)) ?? "";
}

/**
 * Has npm fetch a package's archive, or take it from its cache.
 *
 * @param directory An empty directory for the archive.
 * @param npm The npm program; see {@linkcode findNpm}.
 * @returns The archive's path.
 * @throws {Error} when npm cannot fetch it, or when its digest is not the locked one.
 */
export async function fetchPackage(
  { name, version, sha512 }: LockedPackage,
  directory: string,
  npm: string,
): Promise<string> {
  const what = `${name}@${version}`;
  if (npm === "") throw new Error(`${what} is not installed, and there is no npm to fetch it`);
  const args = ["pack", "--json", `--pack-destination=${directory}`, what];
  // In the project's directory, npm has the same settings as when it installs.
  const result = await new Deno.Command(npm, { args, cwd: ROOT, stdin: "null" }).output();
  if (!result.success) throw new Error(`${what} cannot be fetched: ${npmComplaint(result)}`);
  const [archive] = [...Deno.readDirSync(directory)];
  const path = `${directory}/${archive?.name}`;
  const { sha512: found } = await digestFile(path, ["sha512"]);
  if (found === sha512) return path;
  throw new Error(`${what}: its archive is ${found}, and package-lock.json has ${sha512} (sha512)`);
}

/** Returns npm's error in one line. With `--json`, it is `{"error": {"summary": …}}`. */
function npmComplaint({ stdout, stderr }: Deno.CommandOutput): string {
  const decoder = new TextDecoder();
  const text = decoder.decode(stdout) + decoder.decode(stderr);
  const [, summary = '"npm failed"'] = text.match(/"summary": ("(?:[^"\\]|\\.)+")/) ?? [];
  return JSON.parse(summary).trim().split("\n")[0];
}

/**
 * Unpacks one file of a package's archive.
 *
 * @param path The file's path in the package.
 * @param target The file to write.
 * @throws {Error} when the package has no such file, or the archive is damaged.
 */
export async function extractFile(archive: string, path: string, target: string): Promise<void> {
  const tar = await openDecompressed(archive);
  for await (const { header, body } of tar.pipeThrough(createTarDecoder({ strict: true }))) {
    if (header.name === `package/${path}`) return await Deno.writeFile(target, body);
    await body.cancel();
  }
  throw new Error(`${archive}: ${path} is missing`);
}
