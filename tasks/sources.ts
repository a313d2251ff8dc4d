/**
 * The identity of the sources: a digest of the files, and the commit of git if there is one.
 *
 * @module
 */

import { digestFile, sha256 } from "./digest.ts";
import { ROOT } from "./project.ts";

/** The files and directories that images are made from. */
export const SOURCES = [
  "deno.json",
  "entry",
  "image",
  "package-lock.json",
  "package.json",
  "src",
  "tasks",
] as const;

/**
 * Digests the sources: the SHA-256 of what `sha256sum` prints for each file, in the order of their
 * names. By hand: `find SOURCES -type f | LC_ALL=C sort | xargs sha256sum | sha256sum`.
 *
 * @param sources The files and directories, relative to the root.
 * @throws {Error} when one of them cannot be read.
 */
export async function digestSources(
  root: string = ROOT,
  sources: readonly string[] = SOURCES,
): Promise<string> {
  const files = (await Promise.all(sources.map((source) => listFiles(root, source)))).flat();
  const lines = files.sort().map(async (file) => {
    const digest = await digestFile(`${root}/${file}`, ["sha256"]);
    return `${digest.sha256}  ${file}\n`;
  });
  return sha256((await Promise.all(lines)).join(""));
}

async function listFiles(root: string, path: string): Promise<string[]> {
  const { isDirectory, isFile } = await Deno.lstat(`${root}/${path}`);
  if (!isDirectory) return isFile ? [path] : [];
  const entries = await Array.fromAsync(Deno.readDir(`${root}/${path}`));
  const files = entries.map(({ name }) => listFiles(root, `${path}/${name}`));
  return (await Promise.all(files)).flat();
}

/** A commit of git. */
export interface Commit {
  /** Its ID. */
  readonly id: string;
  /** Whether the sources differ from those in the commit. */
  readonly modified: boolean;
}

/**
 * Asks git for the commit that is checked out.
 *
 * @returns The commit; `undefined` when the project is no repository, when git is missing, or when
 *   git refuses to read a repository of another user.
 */
export async function sourceCommit(
  root: string = ROOT,
  sources: readonly string[] = SOURCES,
): Promise<Commit | undefined> {
  // A repository in which the project is only a subdirectory has nothing to do with it.
  const [prefix, id] = (await git(root, ["rev-parse", "--show-prefix", "HEAD"]))?.split("\n") ?? [];
  if (prefix !== "" || !id) return undefined;
  const changes = await git(root, [
    "--no-optional-locks",
    "status",
    "--porcelain",
    "--",
    ...sources,
  ]);
  return { id, modified: changes !== "" };
}

/** Runs git without variables of the caller's that could name another repository. */
async function git(cwd: string, args: string[]): Promise<string | undefined> {
  const [PATH, HOME] = [Deno.env.get("PATH") ?? "", Deno.env.get("HOME") ?? ""];
  const options = { args, cwd, clearEnv: true, env: { PATH, HOME } };
  try {
    const { success, stdout } = await new Deno.Command("git", options).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
