/**
 * V8's code cache of an entrypoint: its functions, compiled during the build, not at each start.
 *
 * A program made by `deno compile` reads its cache from a file in the directory for temporary
 * files. Without that file, it would write one, with the functions that V8 compiles at once:
 *
 * ```text
 * u64 key of the program ‖ u32 number of modules ‖ u64 length of each module's entry ‖ entries …
 * entry = V8's data ‖ u8 type ‖ name ‖ u32 length of the name
 *         ‖ u64 hash of the source ‖ u64 hash of the data
 * ```
 *
 * All numbers are little-endian. A module's name includes the directory, so the launcher sets one
 * that is the same on every machine: a descriptor. Source: `cli/rt/code_cache.rs` of Deno.
 *
 * An entrypoint never writes a cache, since it ends by `Deno.exit`. In its place, a program runs
 * here that imports the same module, but fails before the module is evaluated. So a cache depends
 * only on the module, the runtime and V8's flags.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Architecture } from "./project.ts";

/** The directory of code caches, which the launcher looks for beside the entrypoint. */
export const CODE_CACHE_DIRECTORY = "code-cache";

/** Returns the name, in that directory, of the file that a program reads. */
export function codeCacheFile(program: string): string {
  return `deno-compile-${program}.cache`;
}

/** Makes the modules, by their names, of the program that makes the cache of another one. */
export function recordingModules(name: string, source: string): Record<string, string> {
  return {
    "main.js": `import "./fail.js"; import "./${name}.js";`,
    "fail.js": "throw undefined;",
    [`${name}.js`]: source,
  };
}

/** The command, if any, by which a program is executed here: it goes before the program's path. */
export type Runner = readonly string[];

/**
 * Finds out how programs for a processor are executed on this machine: directly, or by Debian's
 * `qemu-user-static` with the libraries that the cross compiler brings.
 *
 * @returns The command for it, empty for its own processor; `undefined` when they cannot be
 * executed.
 */
export function findRunner(target: Architecture, own = Deno.build.arch): Runner | undefined {
  if (target.deno === own) return [];
  const qemu = `/usr/bin/qemu-${target.deno}-static`;
  const libraries = `/usr/${target.deno}-linux-gnu`;
  return existsSync(qemu) && existsSync(`${libraries}/lib`) ? [qemu, "-L", libraries] : undefined;
}

/**
 * Runs a program compiled from {@linkcode recordingModules}, and takes the entrypoint's entry from
 * the cache that Deno then leaves.
 *
 * @param program The compiled program, behind the launcher and with the runtime beside it. It has
 *   the entrypoint's name.
 * @param key The entrypoint's key.
 * @throws {Error} when the program leaves no cache; it has the program's message.
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
/** The length of what follows a module's name in its entry, in bytes. */
const ENTRY_END_LENGTH = 4 + 8 + 8;

/**
 * Reduces a code cache to one module, for another program.
 *
 * @param module The end of the module's name.
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
