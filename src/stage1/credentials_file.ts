/**
 * The file in which `run` leaves whom an app runs as, for `enter`. It lies outside of the app's
 * root: what the app makes of its own /etc/passwd later changes nothing.
 *
 * @module
 */

import type { Credentials } from "../linux/credentials.ts";
import { makeDirectories } from "../linux/directory.ts";
import { O_DIRECTORY, O_PATH, openFile } from "../linux/open.ts";
import { replaceFileAt } from "../linux/read_write.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/**
 * Saves an app's credentials, in the pod's numbers.
 *
 * @throws {SyscallError}
 */
export function saveCredentials(appName: string, credentials: Credentials): void {
  makeDirectories(POD_PATHS.credentials);
  using directory = openFile(POD_PATHS.credentials, O_PATH | O_DIRECTORY);
  replaceFileAt(directory, appName, JSON.stringify(credentials));
}

/**
 * Reads back what {@linkcode saveCredentials} saved.
 *
 * @throws {Error} when there is none: the app has not been started.
 */
export function loadCredentials(appName: string): Credentials {
  const path = `${POD_PATHS.credentials}/${appName}`;
  return withContext(path, () => parseCredentials(Deno.readTextFileSync(path)));
}

/**
 * Reads the file's text.
 *
 * @throws {Error} when it is not whole.
 *
 * @example
 * ```ts
 * import { assertEquals, assertThrows } from "@std/assert";
 * const credentials = { uid: 1, gid: 2, groups: [2, 3] };
 * assertEquals(parseCredentials(JSON.stringify(credentials)), credentials);
 * assertThrows(() => parseCredentials('{"uid":0}'), Error, "gid");
 * ```
 */
export function parseCredentials(text: string): Credentials {
  const { uid, gid, groups } = JSON.parse(text);
  requireIds("uid", [uid]);
  requireIds("gid", [gid]);
  requireIds("groups", groups);
  return { uid, gid, groups };
}

function requireIds(what: string, ids: unknown): void {
  const isId = (id: unknown) => Number.isInteger(id) && (id as number) >= 0;
  if (!Array.isArray(ids) || !ids.every(isId)) throw new Error(`${what}: not as run wrote it`);
}
