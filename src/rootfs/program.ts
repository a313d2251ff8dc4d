/**
 * Which file an app's `exec` means.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_PATH, openInRoot } from "../linux/open.ts";
import { statFd } from "../linux/stat.ts";

const EXECUTABLE_BITS = 0o111;

/**
 * The paths that a program's name may stand for, in the order in which they are tried.
 *
 * @param name An absolute path, a path with a slash relative to `directory`, or a name to look for in
 * `searchPath`.
 * @param searchPath The app's `PATH`; an empty or relative part of it is relative to `directory`.
 * @param directory The app's working directory.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(programCandidates("ls", "/usr/bin:bin", "/srv"), ["/usr/bin/ls", "/srv/bin/ls"]);
 * assertEquals(programCandidates("./run", "/bin", "/srv"), ["/srv/./run"]);
 * assertEquals(programCandidates("/init", "/bin", "/srv"), ["/init"]);
 * ```
 */
export function programCandidates(name: string, searchPath: string, directory: string): string[] {
  if (name.includes("/")) return [join(directory, name)];
  return searchPath.split(":").map((part) => join(join(directory, part), name));
}

/**
 * Finds the first candidate that is a program.
 *
 * @param root The app's root, with its volumes in place.
 * @throws {Error} which says what was looked for, and where.
 */
export function findProgram(root: Fd, name: string, candidates: readonly string[]): string {
  let problem: string | undefined;
  for (const path of candidates) {
    const found = inspect(root, path);
    if (found === "program") return path;
    problem ??= found;
  }
  const where = name.includes("/")
    ? candidates.join("")
    : `the app's PATH, ${candidates.join(", ")}`;
  throw new Error(
    `${JSON.stringify(name)} ${problem ?? "is not in the app"}: looked for ${where}`,
  );
}

/** "program", or what keeps the path from being one; `undefined` when there is nothing. */
function inspect(root: Fd, path: string): string | undefined {
  try {
    using fd = openInRoot(root, path, O_PATH);
    const { kind, mode } = statFd(fd);
    if (kind !== "file") return `is a ${kind === "directory" ? kind : "special file"}`;
    return (mode & EXECUTABLE_BITS) === 0 ? "is not executable" : "program";
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function join(directory: string, path: string): string {
  if (path.startsWith("/")) return path;
  return `${directory.replace(/\/+$/, "")}/${path}`.replace(/\/$/, "") || "/";
}
