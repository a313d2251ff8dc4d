/**
 * `init`, the one program of the image that is not Deno's, made from `init.c` by a C compiler.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/**
 * The processors that there is an `init` for, as appc names them, with what Debian's compilers call
 * them.
 */
const TRIPLES = { amd64: "x86_64-linux-gnu", aarch64: "aarch64-linux-gnu" } as const;

/** A processor, in appc's spelling. */
export type InitArchitecture = keyof typeof TRIPLES;

/** This machine's. */
export const OWN_ARCHITECTURE: InitArchitecture = Deno.build.arch === "aarch64"
  ? "aarch64"
  : "amd64";

/** What compiled the released images: the same source and compiler make the same bytes. */
export const RECORDED_COMPILER = "gcc 12.2.0";

const SOURCE = fileURLToPath(new URL("init.c", import.meta.url));

/**
 * A program without libc, at a fixed address, without anything that a loader or a debugger would
 * read. One segment that is read and executed, and none that is written.
 */
const OPTIONS = [
  "-Os",
  "-std=c11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-fno-asynchronous-unwind-tables",
  "-fno-unwind-tables",
  "-fno-ident",
  "-fno-pic",
  "-fno-pie",
  "-fno-stack-protector",
  "-nostdlib",
  "-no-pie",
  "-static",
  "-s",
  "-Wl,--build-id=none,-z,noexecstack,-z,norelro,-z,noseparate-code,-z,max-page-size=4096",
];

/** Code that only shows where indirect jumps may lead; this program has none. */
const OPTIONS_OF: Readonly<Record<InitArchitecture, readonly string[]>> = {
  amd64: ["-fcf-protection=none"],
  aarch64: ["-mbranch-protection=none"],
};

/** A compiled `init`. */
export interface Init {
  /** The program: an ELF file. */
  bytes: Uint8Array<ArrayBuffer>;
  /** What compiled it, such as `gcc 12.2.0`. */
  compiler: string;
}

/**
 * Compiles `init`.
 *
 * @throws {Error} which names the Debian package of the compiler when there is none, or says what
 * it complains about.
 */
export function compileInit(arch: InitArchitecture): Init {
  const compiler = findCompiler(arch);
  const file = Deno.makeTempFileSync({ prefix: "init-" });
  try {
    const args = [...OPTIONS, ...OPTIONS_OF[arch], "-o", file, SOURCE];
    const { success, stderr } = new Deno.Command(compiler.program, { args }).outputSync();
    if (!success) throw new Error(`init.c: ${new TextDecoder().decode(stderr).trim()}`);
    return { bytes: Deno.readFileSync(file), compiler: compiler.version };
  } finally {
    Deno.removeSync(file);
  }
}

/**
 * Debian names each compiler after its target; other distributions have the machine's own as `gcc`.
 */
function findCompiler(arch: InitArchitecture): { program: string; version: string } {
  const names = [`${TRIPLES[arch]}-gcc`, ...(arch === OWN_ARCHITECTURE ? ["gcc"] : [])];
  for (const program of names) {
    const version = versionOf(program);
    if (version !== undefined) return { program, version: `gcc ${version}` };
  }
  const wanted = arch === OWN_ARCHITECTURE ? "gcc" : `gcc-${TRIPLES[arch].replace("_", "-")}`;
  throw new Error(`init.c: there is no C compiler for ${arch}: apt-get install ${wanted}`);
}

function versionOf(program: string): string | undefined {
  try {
    const { stdout } = new Deno.Command(program, { args: ["-dumpfullversion"] }).outputSync();
    return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
