/**
 * The programs of an app: how the file that a manifest's `exec`, or a command of `enter`, names is
 * found in the app's root. `run`, its supervisor and `enter` all look up programs here.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openInRoot } from "../linux/open.ts";
import { statFd } from "../linux/stat.ts";
import type { AppPlan } from "../plan/app.ts";
import { withContext } from "../stage1/context.ts";

const EXECUTABLE_BITS = 0o111;

/** A program that has been asked for, and with what it is to be executed. */
export interface ProgramRequest {
  /** The program, as a path or a name, and its arguments. */
  exec: readonly string[];
  /** Its variables, `NAME=value` each. `PATH` says where a name is looked up. */
  environment: readonly string[];
  /** The directory in which it begins: an absolute path in the root. */
  workingDirectory: string;
}

/** A program that has been found, as execve(2) takes it. */
export interface FoundProgram {
  /** An absolute path in the root. */
  path: string;
  argv: readonly string[];
  environment: readonly string[];
}

/**
 * Finds a program in an app's root.
 *
 * A name with a slash is a path, relative to the working directory. Another is looked up in `PATH`:
 * the first file there that can be executed is the program.
 *
 * @param root The app's root, with its volumes in place.
 * @returns The program; its `argv` begins with its path, whatever `exec` called it.
 * @throws {Error} when there is none; it says what was looked for, and where.
 */
export function findProgram(
  root: Fd,
  { exec, environment, workingDirectory }: ProgramRequest,
): FoundProgram {
  const [name = "", ...args] = exec;
  const path = firstProgram(
    root,
    name,
    programCandidates(name, searchPathOf(environment), workingDirectory),
  );
  return { path, argv: [path, ...args], environment };
}

/**
 * Opens the directory in which an app's programs begin.
 *
 * @param root The app's root, with its volumes in place.
 * @throws {Error} when it is not there, or no directory; it names the manifest's field.
 */
export function openWorkingDirectory({ field, workingDirectory }: AppPlan, root: Fd): Fd {
  return withContext(
    `${field}.app.workingDirectory`,
    () => openInRoot(root, workingDirectory, O_PATH | O_DIRECTORY),
  );
}

/**
 * Lists the paths that a program's name may stand for, in the order in which they are tried.
 *
 * @param name An absolute path, a path with a slash relative to `directory`, or a name to look up
 * in `searchPath`.
 * @param searchPath The value of `PATH`. Its parts that are empty or relative are relative to
 * `directory`.
 * @param directory The working directory.
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

/** Returns the value of `PATH`. Without one, programs are looked for in the working directory. */
function searchPathOf(environment: readonly string[]): string {
  return environment.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
}

function firstProgram(root: Fd, name: string, candidates: readonly string[]): string {
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

/** Returns "program", or the reason why the path is none; `undefined` when there is nothing. */
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
