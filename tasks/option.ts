/**
 * The kinds of options that a task can have. Each reads its value strictly, and knows what help
 * says of it.
 *
 * @module
 */

import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { dirname } from "node:path";

/** An option, or a variable of the environment. */
export interface Option<T> {
  /** What stands for its value in help, such as `FILE`; a flag has none. */
  readonly value?: string;
  /** What it does. */
  readonly meaning: string;
  /** Its value where it is not given. */
  readonly fallback: T;
  /** How help shows that; not at all when absent. */
  readonly shown?: string;
  /**
   * Reads its value.
   *
   * @throws {Error} when there is no such value; it says why, and shows the text.
   */
  readonly read: (text: string) => T;
}

/** Declares a flag: an option that is given or not, and has no value. */
export function flag(meaning: string): Option<boolean> {
  return { meaning, fallback: false, read: () => true };
}

/** Declares an option whose value is a whole number. */
export function count(
  { meaning, fallback, least = 1, most }: {
    meaning: string;
    fallback: number;
    least?: number;
    most: number;
  },
): Option<number> {
  const read = (text: string) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (number >= least && number <= most) return number;
    throw new Error(`${JSON.stringify(text)} is not a whole number from ${least} to ${most}`);
  };
  return { value: "N", meaning, fallback, shown: String(fallback), read };
}

/** Declares an option whose value is one of a few. */
export function choice<const T extends string>(
  value: string,
  known: readonly T[],
  description: { meaning: string; fallback: NoInfer<T> },
): Option<T>;
/** Declares an option whose value is one of a few, or none. */
export function choice<const T extends string>(
  value: string,
  known: readonly T[],
  description: { meaning: string; shown?: string },
): Option<T | undefined>;
export function choice<const T extends string>(
  value: string,
  known: readonly T[],
  { meaning, fallback, shown = fallback }: { meaning: string; fallback?: T; shown?: string },
): Option<T | undefined> {
  const read = (text: string) => {
    const found = known.find((each) => each === text);
    if (found !== undefined) return found;
    throw new Error(`${JSON.stringify(text)} is not ${known.join(" or ")}${meant(text, known)}`);
  };
  return { value, meaning, fallback, ...shown !== undefined && { shown }, read };
}

/** Declares an option whose value is the path of a file that is there. */
export function existingFile(
  meaning: string,
  shown?: string,
): Option<string | undefined> {
  return path("FILE", { meaning, ...shown && { shown } }, (file) => requireFile(file));
}

/** Declares an option whose value is the path of a directory that is there. */
export function existingDirectory(meaning: string): Option<string | undefined> {
  return path("DIR", { meaning }, (directory) => requireDirectory(directory));
}

/** Declares an option whose value is the path of a file that is written. */
export function newFile(meaning: string, shown: string): Option<string | undefined> {
  return path("FILE", { meaning, shown }, (file) => {
    requireDirectory(dirname(file));
    if (find(file)?.isDirectory) throw new Error(`${file}: is a directory`);
  });
}

/** Declares an option, or a variable, with any value. */
export function text(meaning: string, value: string): Option<string | undefined> {
  return optional(value, { meaning, read: (given) => given });
}

/** Declares an option, or a variable, that has no value where it is not given. */
export function optional<T>(
  value: string,
  { meaning, shown, read }: { meaning: string; shown?: string; read: (text: string) => T },
): Option<T | undefined> {
  return { value, meaning, ...shown !== undefined && { shown }, fallback: undefined, read };
}

/**
 * Checks that a path is a file's.
 *
 * @returns The path.
 * @throws {Error} when nothing is there, or a directory.
 */
export function requireFile(file: string): string {
  const info = find(file);
  if (info === undefined) throw new Error(`${file}: there is no such file`);
  if (info.isDirectory) throw new Error(`${file}: is a directory`);
  return file;
}

/**
 * Returns a guess at which of the known words was meant, for the end of an error.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(meant("--round", ["--rounds", "--peer"]), ": is --rounds meant?");
 * assertEquals(meant("--colour", ["--rounds", "--peer"]), "");
 * ```
 */
export function meant(given: string, known: readonly string[]): string {
  const distances = known.map((word) => ({ word, distance: levenshteinDistance(given, word) }));
  const [closest] = distances.sort((one, other) => one.distance - other.distance);
  // A third of the letters may be wrong.
  const isNear = closest && 3 * closest.distance < closest.word.replace(/^-+/, "").length + 3;
  return isNear ? `: is ${closest.word} meant?` : "";
}

function path(
  value: string,
  description: { meaning: string; shown?: string },
  check: (path: string) => void,
): Option<string | undefined> {
  const read = (given: string) => {
    check(given);
    return given;
  };
  return optional(value, { ...description, read });
}

/**
 * Checks that a path is a directory's.
 *
 * @throws {Error} when nothing is there, or something else.
 */
export function requireDirectory(directory: string): void {
  const info = find(directory);
  if (info === undefined) throw new Error(`${directory}: there is no such directory`);
  if (!info.isDirectory) throw new Error(`${directory}: is not a directory`);
}

function find(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
