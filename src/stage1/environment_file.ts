/**
 * The file in which `run` leaves an app's environment for `enter`.
 *
 * Each entry ends with NUL, as in /proc/PID/environ, since a value may have any other character.
 *
 * @module
 */

import { removeFile } from "../linux/directory.ts";
import { decodeText } from "../linux/text.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";
import { savePodFile } from "./pod_file.ts";

/**
 * Saves an app's environment.
 *
 * @param entries The variables, `NAME=value` each.
 * @throws {Error} when the file cannot be written.
 */
export function saveEnvironment(appName: string, entries: readonly string[]): void {
  savePodFile(environmentPath(appName), encodeEnvironment(entries));
}

/**
 * Reads back what {@linkcode saveEnvironment} saved.
 *
 * @throws {Error} when the file is missing, as before the app has been started.
 */
export function loadEnvironment(appName: string): string[] {
  const path = environmentPath(appName);
  return decodeEnvironment(
    withContext(`${path}: cannot be read`, () => decodeText(Deno.readFileSync(path))),
  );
}

/**
 * Removes what {@linkcode saveEnvironment} saved, if it is there.
 *
 * @throws {SyscallError} when it cannot be removed.
 */
export function removeEnvironment(appName: string): void {
  removeFile(environmentPath(appName));
}

/**
 * Formats the text of the file.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(decodeEnvironment(encodeEnvironment(["A=1\n2", "B="])), ["A=1\n2", "B="]);
 * ```
 */
export function encodeEnvironment(entries: readonly string[]): string {
  return entries.map((entry) => `${entry}\0`).join("");
}

/** Parses the text of the file. */
export function decodeEnvironment(text: string): string[] {
  return text.split("\0").slice(0, -1);
}

function environmentPath(appName: string): string {
  return `${POD_PATHS.environments}/${appName}`;
}
