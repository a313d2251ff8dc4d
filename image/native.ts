/**
 * The two programs of the image in C: `launcher`, with which each entrypoint's file begins, and
 * `init`, as which each process of a pod begins.
 *
 * @module
 */

import { fileURLToPath } from "node:url";

/** The processors of images, by their names in appc, with their names in Debian's compilers. */
const TRIPLES = { amd64: "x86_64-linux-gnu", aarch64: "aarch64-linux-gnu" } as const;

/** The name of a processor in appc. */
export type NativeArchitecture = keyof typeof TRIPLES;

/** The processor of this machine. */
export const OWN_ARCHITECTURE: NativeArchitecture = Deno.build.arch === "aarch64"
  ? "aarch64"
  : "amd64";

/** The compiler of the released images. From the same source it makes the same bytes. */
export const RECORDED_COMPILER = "gcc 12.2.0";

/**
 * Options for both programs: they have no libc and nothing for a debugger; no memory of theirs,
 * also not the stack, is both writable and executable.
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
   * It is at a random address, like the runtime that it maps. No loader relocates it, so it must
   * need no relocation; and the compiler must not turn its loops into calls of libc.
   */
  launcher: [
    "-fpie",
    "-fno-tree-loop-distribute-patterns",
    "-static-pie",
    "-Wl,--no-dynamic-linker,-z,text",
  ],
  /** It is at a fixed address, in a single segment, which is not writable. */
  init: ["-fno-pic", "-fno-pie", "-no-pie", "-static"],
} as const;

/** One of the two programs. */
export type NativeName = keyof typeof OPTIONS_OF;

/** Options that leave out marks for indirect jumps, of which both programs have nearly none. */
const OPTIONS_FOR: Readonly<Record<NativeArchitecture, readonly string[]>> = {
  amd64: ["-fcf-protection=none"],
  aarch64: ["-mbranch-protection=none"],
};

/** A compiled program. */
export interface NativeProgram {
  /** The bytes of its ELF file. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its compiler, such as `gcc 12.2.0`. */
  readonly compiler: string;
}

/**
 * Compiles one of the two programs.
 *
 * @throws {Error} when there is no compiler; it names the Debian package. When the program cannot
 * be compiled; it has the compiler's message.
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
 * Debian names each compiler after its target. On other distributions the one for this machine is
 * `gcc`.
 *
 * @param name The program to compile, with which errors begin.
 * @throws {Error} when there is no compiler; it names the Debian package.
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
