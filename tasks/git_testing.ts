/**
 * Repositories for tests.
 *
 * @module
 */

import { assert } from "@std/assert";

/** Makes a commit of the same files the same commit, whoever makes it. */
const ENVIRONMENT = {
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_AUTHOR_NAME: "volo",
  GIT_AUTHOR_EMAIL: "volo@example.org",
  GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z",
  GIT_COMMITTER_NAME: "volo",
  GIT_COMMITTER_EMAIL: "volo@example.org",
  GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z",
};

/** Whether a test that needs git has to be skipped. */
export const WITHOUT_GIT: boolean = !isInstalled();

function isInstalled(): boolean {
  const args = ["-c", "command -v git"];
  return new Deno.Command("sh", { args, stdout: "null" }).outputSync().success;
}

/**
 * Makes a directory a repository, with all that is in it in a commit.
 *
 * @returns The commit's ID.
 */
export async function makeRepository(directory: string): Promise<string> {
  await git(directory, "init", "--quiet");
  await git(directory, "add", ".");
  await git(directory, "commit", "--quiet", "--message=all");
  return (await git(directory, "rev-parse", "HEAD")).trim();
}

/** Runs git, unaware of a repository that it may have been called from. */
async function git(cwd: string, ...args: string[]): Promise<string> {
  const env = { ...ENVIRONMENT, PATH: Deno.env.get("PATH") ?? "" };
  const options = { args, cwd, clearEnv: true, env };
  const { success, stdout, stderr } = await new Deno.Command("git", options).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
