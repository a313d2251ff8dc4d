/**
 * Assertions about ended programs; a failure shows what the program wrote to standard error.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch } from "@std/assert";
import type { Result } from "./host.ts";

/** The exit code of an error inside a stage1. */
export const REFUSED = 254;

/** Asserts that the program succeeded without a warning. */
export function assertQuiet(result: Result): void {
  assertEquals({ code: result.code, stderr: result.stderr }, { code: 0, stderr: "" });
}

/** Asserts that the program ended with a code; a failure shows its standard error. */
export function assertCode(result: Result, code: number): void {
  assertEquals(result.code, code, `exit code ${result.code}: ${result.stderr}`);
}

/** Asserts that the program succeeded and printed exactly this. */
export function assertPrints(result: Result, stdout: string): void {
  assertEquals(
    { code: result.code, stdout: result.stdout },
    { code: 0, stdout },
    `exit code ${result.code}: ${result.stdout}${result.stderr}`,
  );
}

/**
 * Asserts that the entrypoint refused in one line, which is written for people and names the
 * matter.
 */
export function assertRefused(result: Result, entrypoint: string, matter: RegExp): void {
  const { code, stderr } = result;
  assertEquals(code, REFUSED, `exit code ${code}: ${stderr}`);
  assertMatch(stderr, new RegExp(`^${entrypoint}: [^\\n]+\\n$`));
  assertMatch(stderr, matter);
  assertNotMatch(stderr, /at (async )?(file|ext):|Uncaught|\[object|undefined/);
  assert(stderr.length < 1000, `a message of ${stderr.length} characters`);
}

/** Parses variables as the kernel keeps them, each followed by a zero byte. */
export function parseEnviron(text: string): Record<string, string> {
  const pairs = text.split("\0").filter((pair) => pair !== "");
  return Object.fromEntries(pairs.map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
}

/** Changes a JSON file. */
export async function editJson(
  path: string,
  // deno-lint-ignore no-explicit-any -- tests break manifests in ways that no type foresees
  edit: (value: any) => void,
): Promise<void> {
  const value = JSON.parse(await Deno.readTextFile(path));
  edit(value);
  await Deno.writeTextFile(path, JSON.stringify(value));
}
