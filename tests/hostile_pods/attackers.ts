/**
 * Attackers: small C programs, and images that hold them.
 *
 * @module
 */

import { isFile, must, which } from "../host.ts";
import { type ImageOptions, makeImage } from "../images.ts";
import type { Need, Stage } from "../scenario.ts";

/** What it takes to build an attacker. */
export const COMPILER: Need[] = [
  { what: "gcc, and libc's static library", met: which("gcc") !== undefined && hasStaticLibc() },
];

/**
 * Asks the compiler for libc's static library: it prints a path if it has the file, or else the
 * bare name.
 */
function hasStaticLibc(): boolean {
  const { stdout } = new Deno.Command("gcc", { args: ["-print-file-name=libc.a"] }).outputSync();
  return new TextDecoder().decode(stdout).startsWith("/");
}

/** The path of the program with all attackers in every hostile image. */
export const HOSTILE = "/hostile";

/** The directory where an app of any user leaves what it found; see `hostile.h`. */
export const SPOILS = "/spoils";

/** Sources of programs that run on the host or without libc, and so are built apart. */
const APART = ["host_program.c", "loader.c", "watch_descriptors.c", "with_key.c"];

const SOURCES: string = import.meta.dirname!;

/**
 * The directory of programs that are built once: for all files of tests, where `deno task test`
 * runs them, or else for this one.
 */
const BUILT = Deno.env.get("STAGE1_PROGRAMS") ?? `${Deno.env.get("STAGE1_CACHE")}/hostile-pods`;

/** Builds the program with all attackers, once for all tests, and returns its path. */
export async function hostileProgram(): Promise<string> {
  const attacks = [...Deno.readDirSync(SOURCES)]
    .map(({ name }) => name)
    .filter((name) => name.endsWith(".c") && !APART.includes(name));
  return await build("hostile", attacks.map((name) => `${SOURCES}/${name}`));
}

/** Builds the program that only the host has; it leaves a file `host-program-ran` where it runs. */
export async function hostProgram(): Promise<string> {
  return await build("host-program", ["-nostdlib", `${SOURCES}/host_program.c`]);
}

/** Builds the program that stands in for an app's dynamic loader and spoils what it is to load. */
export async function loaderProgram(): Promise<string> {
  return await build("loader", ["-nostdlib", `${SOURCES}/loader.c`]);
}

/** Builds the program that watches which descriptors an entrypoint has. */
export async function descriptorWatcher(): Promise<string> {
  return await build("watch-descriptors", [`${SOURCES}/watch_descriptors.c`]);
}

/** Builds the program that runs another one in a session keyring with a key in it. */
export async function keyGiver(): Promise<string> {
  return await build("with-key", [`${SOURCES}/with_key.c`]);
}

async function build(name: string, args: string[]): Promise<string> {
  const program = `${BUILT}/${name}`;
  if (isFile(program)) return program;
  await Deno.mkdir(BUILT, { recursive: true });
  // It appears when it is complete: another file's tests may look for it.
  const partial = `${program}-${crypto.randomUUID()}`;
  await must(["gcc", "-static", "-O1", "-Wall", "-Wextra", "-o", partial, ...args]);
  await Deno.rename(partial, program);
  return program;
}

/** Makes an image that holds all attackers. */
export async function hostileImage({ dir }: Stage, options: ImageOptions = {}): Promise<string> {
  const spoils = { [SPOILS]: { dir: true, mode: 0o777 } };
  const image = await makeImage(`${dir}/hostile-${crypto.randomUUID()}`, {
    ...options,
    files: { ...spoils, ...options.files },
  });
  await Deno.copyFile(await hostileProgram(), `${image}/rootfs${HOSTILE}`);
  return image;
}
