/**
 * Lines for the person at the terminal.
 *
 * @module
 */

/**
 * Text without control characters and line separators, which a manifest could use to play tricks on a terminal.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
 * ```
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029]/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/**
 * Says one line on stderr.
 *
 * @param name The entrypoint's name, which begins the line.
 */
export function warn(name: string, text: string): void {
  writeLine(`${name}: ${printable(text)}`);
}

/** Writing to stderr waits for its reader. */
let writeLine = (line: string) => console.error(line);

/**
 * Does something; what is said meanwhile is written by another way than waiting for who reads stderr.
 *
 * @param write Gets each line, without a newline at its end.
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

/** Hears of each step as it is taken. */
export type Debug = (step: string) => void;

/**
 * Shows steps on stderr with `--debug`, and nothing without.
 *
 * @param name The entrypoint's name, which begins each line.
 */
export function debugLog(name: string, debug: boolean): Debug {
  return debug ? (step) => warn(name, step) : () => {};
}
