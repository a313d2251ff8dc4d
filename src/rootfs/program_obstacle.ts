/**
 * Why the kernel will not execute a file of an app's: what its error leaves open. execve(2) gives
 * `ENOENT` for a program that is there when the interpreter of the program is not.
 *
 * The look comes before the file is executed, because afterwards nobody may be left to look: `run`
 * becomes the app. It decides nothing. The kernel does, and only its error makes the obstacle
 * known.
 *
 * @module
 */

import { failedWith, SyscallError } from "../linux/errno.ts";
import { isOwnMachine, machineName, readExecutable } from "../linux/executable.ts";
import type { Fd } from "../linux/fd.ts";
import { O_PATH, openFound, openInRoot } from "../linux/open.ts";
import { readAt } from "../linux/read_write.ts";
import { isMountedNoexec, statFd } from "../linux/stat.ts";
import { quoteText } from "../linux/text.ts";

/** How many interpreters may need another one: the kernel allows no more. */
const MOST_INTERPRETERS = 5;

/** The permissions to execute a file, of which one is enough for the kernel's root. */
export const EXECUTABLE_BITS = 0o111;

/**
 * Says that a program, or what it needs to be executed, is not in the app: in the words of rkt's
 * own stage1, which scripts look for.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(unableToOpen("/app"), 'Error: Unable to open "/app": No such file or directory');
 * ```
 */
export function unableToOpen(name: string): string {
  return `Error: Unable to open ${quoteText(name)}: No such file or directory`;
}

/** Where an app's programs are looked up. */
export interface AppFiles {
  /** The app's root, with its volumes in place. */
  root: Fd;
  /** An absolute path in the root. */
  workingDirectory: string;
}

/**
 * Looks for what keeps a file from being executed.
 *
 * @param file A regular file of the app's, open as a path.
 * @returns The predicate of a sentence about the file, such as `needs the interpreter "/bin/perl",
 * which is not executable`; `undefined` when nothing is to be seen.
 */
export function obstacleOf(file: Fd, app: AppFiles): string | undefined {
  try {
    return obstacleOfFile(file, app, MOST_INTERPRETERS);
  } catch (error) {
    // A file that cannot be read may well be one that can be executed.
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

/**
 * Returns a path as an absolute one.
 *
 * @param directory What a relative path is relative to: an absolute path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(absolutePath("bin/tool", "/srv/"), "/srv/bin/tool");
 * assertEquals(absolutePath("/init", "/srv"), "/init");
 * assertEquals(absolutePath("", "/srv"), "/srv");
 * ```
 */
export function absolutePath(path: string, directory: string): string {
  if (path.startsWith("/")) return path;
  return `${directory.replace(/\/+$/, "")}/${path}`.replace(/\/$/, "") || "/";
}

function obstacleOfFile(file: Fd, app: AppFiles, depth: number): string | undefined {
  if (isMountedNoexec(file)) return "is on a file system that is mounted noexec";
  using fd = openFound(file);
  const executable = readExecutable((offset, length) => readAt(fd, offset, length));
  switch (executable.kind) {
    case "empty":
      return "is an empty file";
    case "unknown":
      return 'is neither an ELF program nor a script that begins with "#!"';
    case "elf":
      if (!isOwnMachine(executable.machine)) {
        return `is a program for ${machineName(executable.machine)}`;
      }
      break;
    case "script":
  }
  const { interpreter } = executable;
  if (interpreter === undefined || depth === 0) return undefined;
  try {
    const why = obstacleOfInterpreter(interpreter, app, depth - 1);
    return why && `needs the interpreter ${quoteText(interpreter)}, which ${why}`;
  } catch (error) {
    if (!failedWith(error, "ENOENT", "ENOTDIR")) throw error;
    return `needs an interpreter that is not in the app: ${unableToOpen(interpreter)}`;
  }
}

/** @throws {SyscallError} when the interpreter cannot be opened. */
function obstacleOfInterpreter(path: string, app: AppFiles, depth: number): string | undefined {
  using file = openInRoot(app.root, absolutePath(path, app.workingDirectory), O_PATH);
  const { kind, mode } = statFd(file);
  if (kind !== "file") return "is not a file";
  if ((mode & EXECUTABLE_BITS) === 0) return "is not executable";
  return obstacleOfFile(file, app, depth);
}
