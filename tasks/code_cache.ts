/**
 * V8's code cache of an entrypoint: its functions, compiled by the build instead of at each start.
 *
 * A program made by `deno compile` reads it from a file in its directory for temporary files, and
 * would write it there where it is not, with those functions that V8 compiles at once:
 *
 * ```text
 * u64 key of the program ‖ u32 number of modules ‖ u64 length of each module's entry ‖ entries …
 * entry = V8's data ‖ u8 type ‖ name ‖ u32 length of the name ‖ u64 hash of the source ‖ u64 hash of the data
 * ```
 *
 * All numbers are little-endian. The name of a module has the directory in it, so the launcher names
 * one that is the same for all: a descriptor. Source: `cli/rt/code_cache.rs` of Deno.
 *
 * An entrypoint itself never comes to write one, as it ends by `Deno.exit`. What is run here in its place
 * imports the same module, but fails before that is evaluated: so a cache depends on the module, the
 * runtime and V8's flags, and on nothing that happens when it is made.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Architecture } from "./project.ts";

/** Where the launcher has the runtime look, beside the program. */
export const CODE_CACHE_DIRECTORY = "code-cache";

/** The file in that directory that a program reads. */
export function codeCacheFile(program: string): string {
  return `deno-compile-${program}.cache`;
}

/** The module that is compiled and run to make the cache of another one, and what it needs, by name. */
export function recordingModules(name: string, source: string): Record<string, string> {
  return {
    "main.js": `import "./fail.js"; import "./${name}.js";`,
    "fail.js": "throw undefined;",
    [`${name}.js`]: source,
  };
}

/** What has to come before the path of a program, for it to be executed here. */
export type Runner = readonly string[];

/**
 * Finds out how programs for a processor are executed on this machine: by itself, or by Debian's
 * `qemu-user-static` with the libraries that the cross compiler brings.
 *
 * @returns `undefined` when they cannot be.
 */
export function findRunner(target: Architecture, own = Deno.build.arch): Runner | undefined {
  if (target.deno === own) return [];
  const qemu = `/usr/bin/qemu-${target.deno}-static`;
  const libraries = `/usr/${target.deno}-linux-gnu`;
  return existsSync(qemu) && existsSync(`${libraries}/lib`) ? [qemu, "-L", libraries] : undefined;
}

/**
 * Runs what was compiled of {@linkcode recordingModules}, and takes from what Deno then leaves the
 * entry of the one module that counts.
 *
 * @param program The compiled program, behind the launcher and with the runtime beside it. It has
 *   the name of the one that the cache is for.
 * @param key The key of that one.
 * @throws {Error} with what the program says when it leaves no cache.
 */
export async function recordCodeCache(
  program: string,
  runner: Runner,
  key: bigint,
): Promise<Uint8Array> {
  const name = basename(program);
  const directory = `${dirname(program)}/${CODE_CACHE_DIRECTORY}`;
  await Deno.mkdir(directory);
  const [command, ...args] = [...runner, program];
  const { stderr } = await new Deno.Command(command!, { args, clearEnv: true, stdin: "null" })
    .output();
  const file = `${directory}/${codeCacheFile(name)}`;
  if (!existsSync(file)) {
    throw new Error(`${name}: left no code cache: ${new TextDecoder().decode(stderr).trim()}`);
  }
  return selectModule(await Deno.readFile(file), `${name}.js`, key);
}

const HEADER_LENGTH = 8 + 4;
/** What follows a module's name in its entry. */
const ENTRY_END_LENGTH = 4 + 8 + 8;

/**
 * Reduces a code cache to one module, for another program.
 *
 * @param module How the module's name ends.
 * @param key The other program's key.
 * @throws {Error} when the module is not in the cache.
 */
export function selectModule(cache: Uint8Array, module: string, key: bigint): Uint8Array {
  const entry = entriesOf(cache).find((entry) => nameOf(entry).endsWith(`/${module}`));
  if (entry === undefined) throw new Error(`${module}: is not in the code cache`);
  const selected = new Uint8Array(HEADER_LENGTH + 8 + entry.length);
  const view = viewOf(selected);
  view.setBigUint64(0, key, true);
  view.setUint32(8, 1, true);
  view.setBigUint64(HEADER_LENGTH, BigInt(entry.length), true);
  selected.set(entry, HEADER_LENGTH + 8);
  return selected;
}

function entriesOf(cache: Uint8Array): Uint8Array[] {
  const view = viewOf(cache);
  const count = view.getUint32(8, true);
  let start = HEADER_LENGTH + 8 * count;
  return Array.from({ length: count }, (_, i) => {
    const end = start + Number(view.getBigUint64(HEADER_LENGTH + 8 * i, true));
    const entry = cache.subarray(start, end);
    start = end;
    return entry;
  });
}

function nameOf(entry: Uint8Array): string {
  const end = entry.length - ENTRY_END_LENGTH;
  const length = viewOf(entry).getUint32(end, true);
  return new TextDecoder().decode(entry.subarray(end - length, end));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
