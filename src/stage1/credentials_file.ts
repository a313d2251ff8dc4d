/**
 * The file in which `run` leaves the credentials of an app, for `enter`. It lies outside of the
 * app's root, so that an app which changes its own /etc/passwd changes nothing for `enter`.
 *
 * @module
 */

import type { Credentials } from "../linux/credentials.ts";
import { removeFile } from "../linux/directory.ts";
import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";
import { savePodFile } from "./pod_file.ts";

/**
 * Saves an app's credentials, as ids of the pod.
 *
 * @throws {Error} when the file cannot be written.
 */
export function saveCredentials(appName: string, credentials: Credentials): void {
  savePodFile(credentialsPath(appName), JSON.stringify(credentials));
}

/**
 * Reads back what {@linkcode saveCredentials} saved.
 *
 * @throws {Error} when the file is missing, as before the app has been started, or malformed.
 */
export function loadCredentials(appName: string): Credentials {
  const path = credentialsPath(appName);
  return withContext(path, () => parseCredentials(Deno.readTextFileSync(path)));
}

/**
 * Removes what {@linkcode saveCredentials} saved, if it is there.
 *
 * @throws {SyscallError} when it cannot be removed.
 */
export function removeCredentials(appName: string): void {
  removeFile(credentialsPath(appName));
}

function credentialsPath(appName: string): string {
  return `${POD_PATHS.credentials}/${appName}`;
}

/**
 * Parses the text of the file.
 *
 * @throws {Error} when an id is missing or malformed.
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
