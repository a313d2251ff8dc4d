/**
 * The programs of an app: how the files that a manifest's `exec`, or a command of `enter`, may mean
 * are found in the app's root. `run`, its supervisor and `enter` all look up programs here.
 *
 * Which of the files it is, the kernel decides when it executes the first that it can: only the
 * kernel knows what the app's user may execute.
 *
 * @module
 */

import { failedWith, SyscallError } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_DIRECTORY, O_PATH, openInRoot } from "../linux/open.ts";
import { statFd } from "../linux/stat.ts";
import { quoteText } from "../linux/text.ts";
import type { StartPlan } from "../plan/start.ts";
import { withContext } from "../stage1/context.ts";
import {
  absolutePath,
  type AppFiles,
  EXECUTABLE_BITS,
  obstacleOf,
  unableToOpen,
} from "./program_obstacle.ts";

/** A program that has been asked for, and with what it is to be executed. */
export interface ProgramRequest {
  /** The program, as a path or a name, and its arguments. */
  exec: readonly string[];
  /** Its variables, `NAME=value` each. `PATH` says where a name is looked up. */
  environment: readonly string[];
  /** The directory in which it begins: an absolute path in the root. */
  workingDirectory: string;
}

/** A file that may be the program, as execve(2) takes it. */
export interface FoundFile {
  /** An absolute path in the root. */
  path: string;
  argv: readonly string[];
  /** Why the kernel will not execute it, as far as can be seen: what to say if it does not. */
  obstacle: string | undefined;
}

/** A program that has been found. */
export interface FoundProgram {
  /** The files that it may be, at least one: the first that can be executed is it. */
  files: readonly FoundFile[];
  environment: readonly string[];
}

/**
 * Finds a program in an app's root.
 *
 * A name with a slash is a path, relative to the working directory. Another is looked up in `PATH`,
 * as exec(3) does: every file there of this name may be the program, unless nobody may execute it.
 *
 * @param root The app's root, with its volumes in place.
 * @returns The program; each `argv` begins with the file's path, whatever `exec` called it.
 * @throws {Error} when there is none; it says what was looked for, and where.
 */
export function findProgram(
  root: Fd,
  { exec, environment, workingDirectory }: ProgramRequest,
): FoundProgram {
  const [name = "", ...args] = exec;
  const paths = programCandidates(name, searchPathOf(environment), workingDirectory);
  const files = findFiles({ root, workingDirectory }, name, paths)
    .map(({ path, obstacle }) => ({ path, argv: [path, ...args], obstacle }));
  return { files, environment };
}

/**
 * Opens the directory in which an app's programs begin.
 *
 * @param root The app's root, with its volumes in place.
 * @throws {Error} when it is not there, or no directory; it names the manifest's field.
 */
export function openWorkingDirectory({ field, workingDirectory }: StartPlan, root: Fd): Fd {
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
  if (name.includes("/")) return [absolutePath(name, directory)];
  return searchPath.split(":").map((part) => absolutePath(name, absolutePath(part, directory)));
}

/** Returns the value of `PATH`. Without one, programs are looked for in the working directory. */
function searchPathOf(environment: readonly string[]): string {
  return environment.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
}

/** @throws {Error} when there is none; it says what was looked for, and where. */
function findFiles(
  app: AppFiles,
  name: string,
  paths: readonly string[],
): Pick<FoundFile, "path" | "obstacle">[] {
  const looks = [...new Set(paths)].map((path) => ({ path, ...inspect(app, path) }));
  const files = looks.filter(({ isFile }) => isFile);
  if (files.length > 0) return files;
  const problem = looks.find(({ obstacle }) => obstacle !== undefined)?.obstacle;
  const what = problem === undefined ? unableToOpen(name) : `${quoteText(name)} ${problem}`;
  if (paths[0] === name) throw new Error(what);
  const where = name.includes("/") ? "at" : "in the app's PATH:";
  throw new Error(`${what}: looked ${where} ${paths.join(", ")}`);
}

/** What a look at a path has shown. */
interface Look {
  /** Whether it may be the program. */
  isFile: boolean;
  /** What is in the way; of what is not there, nothing. */
  obstacle: string | undefined;
}

function noFile(obstacle: string | undefined): Look {
  return { isFile: false, obstacle };
}

function inspect(app: AppFiles, path: string): Look {
  try {
    using fd = openInRoot(app.root, path, O_PATH);
    const { kind, mode } = statFd(fd);
    if (kind !== "file") return noFile(`is a ${kind === "directory" ? kind : "special file"}`);
    if ((mode & EXECUTABLE_BITS) === 0) return noFile("is not executable");
    return { isFile: true, obstacle: obstacleOf(fd, app) };
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR")) return noFile(undefined);
    // What this root may not see, as on a file system of another host, the app's user may.
    if (failedWith(error, "EACCES")) return { isFile: true, obstacle: undefined };
    if (error instanceof SyscallError) {
      return noFile(`is not found: ${error.message}`);
    }
    throw error;
  }
}
