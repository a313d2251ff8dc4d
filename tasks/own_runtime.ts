/**
 * The check that a file which a user gives as the entrypoints' runtime is one. Whether it does what
 * Deno's does is beyond that: only the pinned digest says so.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { closeSync, openSync, readSync } from "node:fs";
import { runtimeLength, TRAILER_LENGTH } from "./payload.ts";
import type { Architecture } from "./project.ts";

/** What `denort` says when it finds no program in itself. Neither `deno` has it, nor others. */
const WORDS = "Could not find standalone binary section";

const ELF_MAGIC = "\x7fELF";

/** The offset of `e_machine` in an ELF file: elf(5). */
const E_MACHINE = 18;

/**
 * Checks that a file is a runtime, `denort`, of this Deno's version and for a processor.
 *
 * @param version Deno's version.
 * @throws {Error} when it is not, or cannot be read; it names the file, and says what was found.
 */
export function requireRuntime(
  file: string,
  { elf, appc }: Pick<Architecture, "elf" | "appc">,
  version: string = Deno.version.deno,
): void {
  const refuse = (why: string): never => {
    throw new Error(`${file}: ${why}, and no runtime of Deno's (denort)`);
  };
  const start = readStart(file);
  if (start.toString("latin1", 0, ELF_MAGIC.length) !== ELF_MAGIC) refuse("is not an ELF program");
  if (start.readUInt16LE(E_MACHINE) !== elf) refuse(`is for another processor than ${appc}`);
  const program = Buffer.from(Deno.readFileSync(file));
  if (isCompiled(program)) refuse("is a program that deno compile has made");
  if (!program.includes(WORDS)) refuse("is another program");
  if (!program.includes(version)) refuse(`is not of version ${version}`);
}

function readStart(file: string): Buffer {
  const start = Buffer.alloc(E_MACHINE + 2);
  const descriptor = openSync(file, "r");
  try {
    readSync(descriptor, start, 0, start.length, 0);
    return start;
  } finally {
    closeSync(descriptor);
  }
}

function isCompiled(program: Uint8Array): boolean {
  try {
    runtimeLength(program.subarray(-TRAILER_LENGTH), program.length);
    return true;
  } catch {
    return false;
  }
}
