/**
 * Repositories of git for tests.
 *
 * @module
 */

import { assert } from "@std/assert";

/** The variables by which a commit of the same files has the same ID, whoever makes it. */
const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "volo",
  GIT_AUTHOR_EMAIL: "volo@example.org",
  GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z",
  GIT_COMMITTER_NAME: "volo",
  GIT_COMMITTER_EMAIL: "volo@example.org",
  GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z",
};

/** Whether git is missing, so that tests which need it are skipped. */
export const WITHOUT_GIT: boolean = !isInstalled();

function isInstalled(): boolean {
  const args = ["-c", "command -v git"];
  return new Deno.Command("sh", { args, stdout: "null" }).outputSync().success;
}

/**
 * Makes a directory a repository, and commits all of its files.
 *
 * @returns The commit's ID.
 */
export async function makeRepository(directory: string): Promise<string> {
  await git(directory, "init", "--quiet");
  await git(directory, "add", ".");
  await git(directory, "commit", "--quiet", "--message=all");
  return (await git(directory, "rev-parse", "HEAD")).trim();
}

/** Runs git without the variables of a repository that the tests may run in. */
async function git(cwd: string, ...args: string[]): Promise<string> {
  const env = { ...ENVIRONMENT, PATH: Deno.env.get("PATH") ?? "" };
  const options = { args, cwd, clearEnv: true, env };
  const { success, stdout, stderr } = await new Deno.Command("git", options).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
