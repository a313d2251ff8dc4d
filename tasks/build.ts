/**
 * The entrypoints, from source to compiled program.
 *
 * @module
 */

import { dirname } from "node:path";
import { type ProgramName, PROGRAMS } from "../image/entrypoints.ts";
import { compileNative } from "../image/native.ts";
import { bundle } from "./bundle.ts";
import {
  CODE_CACHE_DIRECTORY,
  codeCacheFile,
  findRunner,
  recordCodeCache,
  recordingModules,
} from "./code_cache.ts";
import type { Progress } from "./console.ts";
import { codeCacheKey, embeddedMetadata } from "./payload.ts";
import { permissionFlags, readPermissions } from "./permissions.ts";
import { type Architecture, entryFile } from "./project.ts";
import { digestInputs, makeUnlessCurrent } from "./stamp.ts";

/** What {@linkcode buildPrograms} needs. */
export interface BuildOptions {
  /** The directory of each entrypoint's source and permissions: see {@linkcode entryFile}. */
  readonly entry: string;
  /** The directory for bundles (`js/NAME.js`) and entrypoints (`bin/NAME`). */
  readonly output: string;
  /** The processor to build for. */
  readonly architecture: Architecture;
  /** The runtime that the entrypoints share. */
  readonly runtime: string;
}

/** A compiled entrypoint, or the runtime beside it. */
export interface Program {
  /** Its name in the image. */
  readonly name: ProgramName | typeof RUNTIME_NAME;
  /** Its file. */
  readonly path: string;
  /** A digest of its inputs: with the same digest it has the same bytes. */
  readonly inputs: string;
  /** The file of its code cache. The runtime has none, nor has what cannot be executed here. */
  readonly codeCache?: string;
}

/** The name of the runtime, which the launcher looks for beside the entrypoint. */
export const RUNTIME_NAME = "denort";

/**
 * The options of V8.
 *
 * The entrypoints run for milliseconds, so that compiling to machine code, and threads for it, cost
 * more than they save. Without a compiler, no memory is both written and executed, either.
 *
 * Source positions are collected at once: else V8 would parse all callers, and so the whole bundle,
 * again at the first error, even at an expected one such as a missing file.
 *
 * `--expose-gc` is for a `run` that stays: it collects garbage when it is idle. More room for new
 * objects (`--min-semi-space-size`) costs more in page faults than it saves in collections.
 */
export const V8_FLAGS =
  "--v8-flags=--jitless,--single-threaded,--no-enable-lazy-source-positions,--expose-gc";

/**
 * Options of `deno compile` by which a program depends on nothing else of this machine, such as its
 * configuration and packages, imports nothing from the network, and never asks its user.
 */
const COMPILE_OPTIONS = [
  "--no-config",
  "--no-npm",
  "--no-lock",
  "--no-check",
  "--no-prompt",
  "--deny-import",
];

/**
 * Options for programs with a code cache, and for those without.
 *
 * V8 puts into a cache the functions that it compiles at once: all of them with `--no-lazy`. It
 * uses a cache only with the same flags as when it was made.
 */
const CODE_CACHE_OPTIONS = {
  with: [`${V8_FLAGS},--no-lazy`],
  without: [V8_FLAGS, "--no-code-cache"],
} as const;

/**
 * The variables that `deno compile` gets. Others, such as `OTEL_DENO`, would change the program.
 */
const COMPILE_VARIABLES = [
  "DENO_CERT",
  "DENO_DIR",
  "DENO_TLS_CA_STORE",
  "HOME",
  "HTTPS_PROXY",
  "HTTP_PROXY",
  "NO_PROXY",
  "PATH",
  "TMPDIR",
  "XDG_CACHE_HOME",
  "http_proxy",
  "https_proxy",
  "no_proxy",
];

/**
 * Bundles and compiles every entrypoint, unless it is there already from the same source, and puts
 * the runtime beside them. The same source gives the same bytes.
 *
 * @param progress Called with the number of entrypoints that are done.
 * @returns The entrypoints, then the runtime.
 * @throws {Error} when one of them cannot be bundled or compiled.
 */
export async function buildPrograms(
  options: BuildOptions,
  progress: Progress = () => {},
): Promise<Program[]> {
  const launcher = await buildLauncher(options.architecture, options.output);
  const programs: Program[] = [];
  for (const name of PROGRAMS) {
    programs.push(await buildProgram(name, launcher, options));
    progress(programs.length, PROGRAMS.length);
  }
  return [...programs, await placeRuntime(options)];
}

/** Makes the launcher's file, which `deno compile` takes for a runtime, and a digest of it. */
async function buildLauncher({ appc }: Architecture, output: string) {
  const { bytes } = compileNative("launcher", appc);
  const file = `${output}/launcher`;
  await Deno.mkdir(output, { recursive: true });
  await Deno.writeFile(file, bytes, { mode: 0o755 });
  return { file, digest: digestInputs([...bytes]) };
}

async function buildProgram(
  name: ProgramName,
  launcher: { file: string; digest: string },
  options: BuildOptions,
): Promise<Program> {
  const path = `${options.output}/bin/${name}`;
  const source = bundle(`${options.entry}/${entryFile(name)}.ts`);
  const runner = findRunner(options.architecture);
  const flags = await programFlags(name, runner !== undefined, options);
  const compiler = Deno.version.deno;
  const inputs = digestInputs([name, source, COMPILE_OPTIONS, flags, launcher.digest, compiler]);
  await writeNew(`${options.output}/js/${name}.js`, source);
  await makeUnlessCurrent(path, inputs, async () => {
    await compileModule(name, source, flags, { output: path, runtime: launcher.file });
    return "";
  });
  if (runner === undefined) return { name, path, inputs };
  return { name, path, inputs, codeCache: await buildCodeCache(name, source, inputs, options) };
}

async function programFlags(
  name: ProgramName,
  hasCodeCache: boolean,
  { entry, architecture }: Pick<BuildOptions, "entry" | "architecture">,
): Promise<string[]> {
  const permissions = permissionFlags(await readPermissions(name, entry));
  return [...permissions, ...targetFlags(architecture, hasCodeCache)];
}

function targetFlags({ target }: Architecture, hasCodeCache: boolean): string[] {
  return [`--target=${target}`, ...CODE_CACHE_OPTIONS[hasCodeCache ? "with" : "without"]];
}

/**
 * Makes an entrypoint anew.
 *
 * @param hasCodeCache Whether it is one that uses a code cache.
 * @returns The compiled program.
 * @throws {Error} when it cannot be bundled or compiled.
 */
export async function makeProgram(
  name: ProgramName,
  hasCodeCache: boolean,
  options: Pick<BuildOptions, "entry" | "architecture">,
): Promise<Uint8Array> {
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-" });
  try {
    const { file: runtime } = await buildLauncher(options.architecture, directory);
    const output = `${directory}/${name}`;
    const source = bundle(`${options.entry}/${entryFile(name)}.ts`);
    const flags = await programFlags(name, hasCodeCache, options);
    await compileModule(name, source, flags, { output, runtime });
    return await Deno.readFile(output);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function buildCodeCache(
  name: ProgramName,
  source: string,
  program: string,
  { output, architecture, runtime }: BuildOptions,
): Promise<string> {
  const directory = `${output}/bin/${CODE_CACHE_DIRECTORY}`;
  await Deno.mkdir(directory, { recursive: true });
  const file = `${directory}/${codeCacheFile(name)}`;
  const inputs = digestInputs([program, await describeRuntime(runtime)]);
  await makeUnlessCurrent(file, inputs, async () => {
    const metadata = embeddedMetadata(await Deno.readFile(`${output}/bin/${name}`));
    const key = codeCacheKey(metadata)!;
    await Deno.writeFile(file, await makeCodeCache(name, source, key, { architecture, runtime }));
    return "";
  });
  return file;
}

/**
 * Makes the code cache of an entrypoint.
 *
 * @param source The entrypoint's module.
 * @param key The key that the compiled entrypoint carries.
 * @throws {Error} when programs for the processor cannot be executed here.
 */
export async function makeCodeCache(
  name: ProgramName,
  source: string,
  key: bigint,
  { architecture, runtime }: Pick<BuildOptions, "architecture" | "runtime">,
): Promise<Uint8Array> {
  const runner = findRunner(architecture);
  if (runner === undefined) {
    throw new Error(`${name}: making its code cache takes qemu-user-static and the cross compiler`);
  }
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-" });
  try {
    const { file: launcher } = await buildLauncher(architecture, directory);
    const output = `${directory}/${name}`;
    const flags = targetFlags(architecture, true);
    await compileModules(recordingModules(name, source), flags, { output, runtime: launcher });
    await Deno.symlink(await Deno.realPath(runtime), `${directory}/${RUNTIME_NAME}`);
    return await recordCodeCache(output, runner, key);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function placeRuntime({ output, runtime }: BuildOptions): Promise<Program> {
  const path = `${output}/bin/${RUNTIME_NAME}`;
  const inputs = digestInputs(await describeRuntime(runtime));
  await makeUnlessCurrent(path, inputs, async () => {
    await Deno.copyFile(runtime, path);
    return "";
  });
  return { name: RUNTIME_NAME, path, inputs };
}

/** The options of {@linkcode compileModule}. */
export interface CompileOptions {
  /** The program's file. */
  readonly output: string;
  /**
   * The file that the program begins with: a runtime or the launcher; Deno's own if `undefined`.
   */
  readonly runtime: string | undefined;
}

/**
 * Compiles a module that imports nothing.
 *
 * @param name The name of the module in the program, without `.js`.
 * @param source The module's text.
 * @param flags Further options of `deno compile`, such as permissions.
 * @throws {Error} when it cannot be compiled; it has Deno's message.
 */
export async function compileModule(
  name: string,
  source: string,
  flags: readonly string[],
  options: CompileOptions,
): Promise<void> {
  await compileModules({ [`${name}.js`]: source }, flags, options);
}

/** Compiles the first of some modules, in a directory of their own without a `package.json`. */
async function compileModules(
  modules: Readonly<Record<string, string>>,
  flags: readonly string[],
  { output, runtime }: CompileOptions,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "stage1-volo-" });
  try {
    const files = Object.entries(modules).map(([name, text]) => [`${directory}/${name}`, text]);
    for (const [file, text] of files as [string, string][]) {
      await Deno.writeTextFile(file, text);
      // The file's time becomes a part of the program.
      await Deno.utime(file, 0, 0);
    }
    await Deno.mkdir(dirname(output), { recursive: true });
    const args = ["compile", ...COMPILE_OPTIONS, ...flags, `--output=${output}`, files[0]![0]!];
    await runCompiler(args, directory, runtime);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function runCompiler(
  args: string[],
  cwd: string,
  runtime: string | undefined,
): Promise<void> {
  const env = { ...compilerEnvironment(), ...runtime !== undefined && { DENORT_BIN: runtime } };
  const options = { args, cwd, clearEnv: true, env, stdin: "null" } as const;
  const result = await new Deno.Command(Deno.execPath(), options).output();
  if (!result.success) throw new Error(`deno ${args[0]}: ${errorMessage(result.stderr)}`);
}

/** Returns Deno's error and its causes, without the lines before and after. */
function errorMessage(stderr: Uint8Array): string {
  const text = new TextDecoder().decode(stderr);
  return text.replace(/^.*?\berror: /s, "").replace(/\n\s*Stack backtrace:.*$/s, "").trim();
}

function compilerEnvironment(): Record<string, string> {
  const variables = COMPILE_VARIABLES.map((name) => [name, Deno.env.get(name)] as const);
  const present = variables.filter((each): each is [string, string] => each[1] !== undefined);
  return { ...Object.fromEntries(present), DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
}

/** Identifies a runtime without reading it: runtimes are large, and never changed in place. */
async function describeRuntime(runtime: string): Promise<unknown[]> {
  const { size, mtime } = await Deno.stat(runtime);
  return [runtime, size, mtime?.getTime()];
}

async function writeNew(file: string, text: string): Promise<void> {
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeTextFile(file, text);
}
