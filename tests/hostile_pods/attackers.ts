/**
 * Attackers: small C programs, and images that have them.
 *
 * @module
 */

import { execute, must, which } from "../host.ts";
import { type ImageOptions, makeImage } from "../images.ts";
import type { Need, Stage } from "../scenario.ts";

/** What it takes to build an attacker. */
export const COMPILER: Need[] = [
  { what: "gcc, and libc's static library", met: which("gcc") !== undefined && hasStaticLibc() },
];

/** The compiler says the path of a library that it has, and the name alone of others. */
function hasStaticLibc(): boolean {
  const { stdout } = new Deno.Command("gcc", { args: ["-print-file-name=libc.a"] }).outputSync();
  return new TextDecoder().decode(stdout).startsWith("/");
}

/** The program with all attackers, in every hostile image. */
export const HOSTILE = "/hostile";

/** Where an app, whoever it is, leaves what it found; see `hostile.h`. */
export const SPOILS = "/spoils";

/** What runs on the host, or without a libc. */
const APART = ["host_program.c", "loader.c", "watch_descriptors.c", "with_key.c"];

const SOURCES: string = import.meta.dirname!;

/** What is built once for all tests. */
const CACHE = `${Deno.env.get("STAGE1_CACHE")}/hostile-pods`;

/** The program of all attackers, built for the first test that wants it. */
export async function hostileProgram(): Promise<string> {
  const attacks = [...Deno.readDirSync(SOURCES)]
    .map(({ name }) => name)
    .filter((name) => name.endsWith(".c") && !APART.includes(name));
  return await build("hostile", attacks.map((name) => `${SOURCES}/${name}`));
}

/** The program that only the host has; it leaves `host-program-ran` where it runs. */
export async function hostProgram(): Promise<string> {
  return await build("host-program", ["-nostdlib", `${SOURCES}/host_program.c`]);
}

/** What stands in for the dynamic loader in an app's root, and spoils what it is to load. */
export async function loaderProgram(): Promise<string> {
  return await build("loader", ["-nostdlib", `${SOURCES}/loader.c`]);
}

/** The program that sees which descriptors an entrypoint has. */
export async function descriptorWatcher(): Promise<string> {
  return await build("watch-descriptors", [`${SOURCES}/watch_descriptors.c`]);
}

/** The program that gives another one a session keyring with a key in it. */
export async function keyGiver(): Promise<string> {
  return await build("with-key", [`${SOURCES}/with_key.c`]);
}

async function build(name: string, args: string[]): Promise<string> {
  const program = `${CACHE}/${name}`;
  if ((await execute(["test", "-x", program])).code === 0) return program;
  await Deno.mkdir(CACHE, { recursive: true });
  const options = ["-static", "-O1", "-Wall", "-Wextra", "-o", program];
  await must(["gcc", ...options, ...args]);
  return program;
}

/** Makes an image with all attackers in it. */
export async function hostileImage({ dir }: Stage, options: ImageOptions = {}): Promise<string> {
  const spoils = { [SPOILS]: { dir: true, mode: 0o777 } };
  const image = await makeImage(`${dir}/hostile-${crypto.randomUUID()}`, {
    ...options,
    files: { ...spoils, ...options.files },
  });
  await Deno.copyFile(await hostileProgram(), `${image}/rootfs${HOSTILE}`);
  return image;
}
