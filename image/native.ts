/**
 * The two programs of the image that are not Deno's, made from C by a C compiler: `launcher`, which
 * each entrypoint's file begins with, and `init`, as which each process of a pod begins.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/**
 * The processors that these are made for, as appc names them, with what Debian's compilers call
 * them.
 */
const TRIPLES = { amd64: "x86_64-linux-gnu", aarch64: "aarch64-linux-gnu" } as const;

/** A processor, in appc's spelling. */
export type NativeArchitecture = keyof typeof TRIPLES;

/** This machine's. */
export const OWN_ARCHITECTURE: NativeArchitecture = Deno.build.arch === "aarch64"
  ? "aarch64"
  : "amd64";

/** What compiled the released images: the same source and compiler make the same bytes. */
export const RECORDED_COMPILER = "gcc 12.2.0";

/**
 * Programs without libc, and without anything that a debugger would read. Nothing of them is both
 * written and executed, their stack neither.
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
  "-fno-stack-protector",
  "-nostdlib",
  "-s",
  "-Wl,--build-id=none,-z,noexecstack,-z,norelro,-z,noseparate-code,-z,max-page-size=4096",
];

const OPTIONS_OF = {
  /**
   * At a random address, as the runtime that it maps. Nobody relocates it, so it may need no
   * relocation; and what looks like a function of libc's must not become a call of one.
   */
  launcher: [
    "-fpie",
    "-fno-tree-loop-distribute-patterns",
    "-static-pie",
    "-Wl,--no-dynamic-linker,-z,text",
  ],
  /** At a fixed address, in one segment, which is not written. */
  init: ["-fno-pic", "-fno-pie", "-no-pie", "-static"],
} as const;

/** One of the two programs. */
export type NativeName = keyof typeof OPTIONS_OF;

/** Code that only shows where indirect jumps may lead; both have next to none. */
const OPTIONS_FOR: Readonly<Record<NativeArchitecture, readonly string[]>> = {
  amd64: ["-fcf-protection=none"],
  aarch64: ["-mbranch-protection=none"],
};

/** A compiled program. */
export interface NativeProgram {
  /** An ELF file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What compiled it, such as `gcc 12.2.0`. */
  readonly compiler: string;
}

/**
 * Compiles one of the two programs.
 *
 * @throws {Error} which names the Debian package of the compiler when there is none, or says what
 * it complains about.
 */
export function compileNative(name: NativeName, arch: NativeArchitecture): NativeProgram {
  const compiler = findCompiler(name, arch);
  const file = Deno.makeTempFileSync({ prefix: `${name}-` });
  const source = fileURLToPath(new URL(`${name}.c`, import.meta.url));
  try {
    const args = [...OPTIONS, ...OPTIONS_OF[name], ...OPTIONS_FOR[arch], "-o", file, source];
    const { success, stderr } = new Deno.Command(compiler.program, { args }).outputSync();
    if (!success) throw new Error(`${name}.c: ${new TextDecoder().decode(stderr).trim()}`);
    return { bytes: Deno.readFileSync(file), compiler: compiler.version };
  } finally {
    Deno.removeSync(file);
  }
}

/**
 * Finds the compiler for a processor.
 *
 * Debian names each compiler after its target; other distributions have the machine's own as `gcc`.
 *
 * @param name What is to be compiled, to begin the error with.
 * @throws {Error} which names the Debian package of the compiler when there is none.
 */
export function findCompiler(
  name: NativeName,
  arch: NativeArchitecture,
): { program: string; version: string } {
  const names = [`${TRIPLES[arch]}-gcc`, ...(arch === OWN_ARCHITECTURE ? ["gcc"] : [])];
  for (const program of names) {
    const version = versionOf(program);
    if (version !== undefined) return { program, version: `gcc ${version}` };
  }
  const wanted = arch === OWN_ARCHITECTURE ? "gcc" : `gcc-${TRIPLES[arch].replace("_", "-")}`;
  throw new Error(`${name}.c: there is no C compiler for ${arch}: apt-get install ${wanted}`);
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
