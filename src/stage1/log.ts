/**
 * What the entrypoints themselves write: lines on stderr, and on stdout what they were asked for.
 *
 * @module
 */

import { byteOf } from "../linux/text.ts";
import { withContext } from "./context.ts";

/**
 * Escapes control characters, line separators, and what changes the direction of text: a manifest
 * could deceive the reader at a terminal by them. A byte that is no UTF-8, which is the half of a
 * pair in our strings, is shown as itself: `\xe9`. So `\x` and two digits are always one byte.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
 * assertEquals(printable("a\u202eb\x9b"), "a\\u{202e}b\\u{9b}");
 * assertEquals(printable("caf\udce9 🐢"), "caf\\xe9 🐢");
 * ```
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}\p{Cs}\u2028\u2029]/gu, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const byte = code < 0x80 ? code : byteOf(character);
  if (byte === undefined) return `\\u{${code.toString(16)}}`;
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/**
 * Writes one line to stderr.
 *
 * @param name The entrypoint's name, with which the line begins.
 */
export function warn(name: string, text: string): void {
  writeLine(`${name}: ${printable(text)}`);
}

/** Writes a line. This default waits for the reader of stderr. */
let writeLine = (line: string) => {
  try {
    console.error(line);
  } catch {
    // The reader has gone, or the disk is full: what is done matters more than what is said of it.
  }
};

/**
 * Runs a function, and hands the lines of {@linkcode warn} to `write` meanwhile. So a supervisor
 * can write them without waiting for the reader of stderr.
 *
 * @param write Called with each line, without a newline at its end.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const lines: string[] = [];
 * withLinesTo((line) => void lines.push(line), () => warn("run", "why"));
 * assertEquals(lines, ["run: why"]);
 * ```
 */
export function withLinesTo<T>(write: (line: string) => void, act: () => T): T {
  const before = writeLine;
  writeLine = write;
  try {
    return act();
  } finally {
    writeLine = before;
  }
}

/**
 * Writes what the caller has asked for to stdout, and a newline.
 *
 * @throws {Error} when it cannot be written as a whole.
 */
export function print(text: string): void {
  withContext("stdout: cannot be written", () => console.log(text));
}

/** Called with each step as it is taken. */
export type Debug = (step: string) => void;

/**
 * Returns a function that writes steps to stderr with `--debug`, and does nothing without.
 *
 * @param name The entrypoint's name, with which each line begins.
 * @param debug Whether `--debug` is given.
 */
export function debugLog(name: string, debug: boolean): Debug {
  return debug ? (step) => warn(name, step) : () => {};
}
