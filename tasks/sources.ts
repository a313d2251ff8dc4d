/**
 * Which sources a build is of: a digest of the files, and git's commit where there is one.
 *
 * @module
 */

import { digestFile, sha256 } from "./digest.ts";
import { ROOT } from "./project.ts";

/** The files, and directories of files, that images are made from. */
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
 * @param sources What counts, relative to the root.
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

/** A commit of git's. */
export interface Commit {
  /** Its ID. */
  readonly id: string;
  /** Whether the sources are no longer what they are in it. */
  readonly modified: boolean;
}

/**
 * Asks git for the commit that is checked out.
 *
 * @returns Nothing where the project is no repository, or there is no git, or it refuses to read
 *   that of another user.
 */
export async function sourceCommit(
  root: string = ROOT,
  sources: readonly string[] = SOURCES,
): Promise<Commit | undefined> {
  // A repository that the project is somewhere inside of would say nothing about it.
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

/**
 * Runs git without the variables by which a caller of ours may have told it of another repository.
 */
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
