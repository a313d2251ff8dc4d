/**
 * Arguments, variables and names that are not UTF-8, which Deno can neither pass nor make.
 *
 * @module
 */

import { type Host, must } from "./host.ts";

/**
 * Puts the bytes into words in which `\0377` stands for one, and executes the words. What is behind
 * the bytes keeps a newline at their end.
 */
const DECODE = `for word; do
  shift
  word=$(printf '%b.' "$word")
  set -- "$@" "\${word%.}"
done
exec env "$@"`;

/**
 * Returns this machine, where programs get any bytes: `\0377` in an argument stands for one.
 *
 * @param variables Further variables, `NAME=value` each, written in the same way.
 */
export function withRawBytes(variables: readonly string[] = []): Host {
  return { wrap: (argv) => ["/bin/sh", "-c", DECODE, "sh", ...variables, ...argv] };
}

/** Runs a shell script that has to succeed. It begins in a directory. */
export async function shellIn(dir: string, script: string): Promise<string> {
  return await must(["/bin/sh", "-c", `cd "$0" && ${script}`, dir]);
}

/** Writes bytes as arguments of {@linkcode withRawBytes} have them. */
export function spellBytes(bytes: readonly number[]): string {
  return bytes.map((byte) => `\\0${byte.toString(8).padStart(3, "0")}`).join("");
}

/** Parses what `od -An -v -tx1` prints. */
export function parseDump(text: string): number[] {
  return text.split(/\s+/).filter((word) => word !== "").map((word) => parseInt(word, 16));
}
