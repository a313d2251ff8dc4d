/**
 * The user and groups of an app: appc spec, `spec/aci.md`, `app.user` and `app.group`.
 *
 * A number is an id, an absolute path means the owner of what is there, anything else is a name in
 * the app's own /etc/passwd or /etc/group. Paths and files are looked up inside the app's root,
 * whose contents are not trusted.
 *
 * @module
 */

import type { Credentials } from "../linux/credentials.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_NONBLOCK, O_PATH, O_RDONLY, openInRoot } from "../linux/open.ts";
import { readText } from "../linux/read_write.ts";
import { statFd } from "../linux/stat.ts";
import { type IdRange, podId, requireId } from "../plan/id_range.ts";
import type { UserRequest } from "../plan/process/user.ts";
import { withContext } from "../stage1/context.ts";

/** The most bytes of a user database that are read. */
const LARGEST_DATABASE = 4 * 1024 * 1024;

const LARGEST_ID = 0xffff_fffe;

/** One kind of id: what its database is called and which file holds it. */
interface Kind {
  field: "user" | "group";
  database: string;
  id: "uid" | "gid";
}

const USER: Kind = { field: "user", database: "/etc/passwd", id: "uid" };
const GROUP: Kind = { field: "group", database: "/etc/group", id: "gid" };

/**
 * Looks up the credentials of an app.
 *
 * @param root The app's root, with its volumes in place.
 * @param ids The range of ids of a pod with users of its own.
 * @returns The credentials, as ids of the pod.
 * @throws {Error} when the app has no such user, group or path, or the pod no such id; it names the
 * field.
 */
export function resolveCredentials(root: Fd, request: UserRequest, ids?: IdRange): Credentials {
  const { field, supplementaryGIDs } = request;
  const uid = resolveId(root, request, USER, ids);
  const gid = resolveGroup(root, request, uid, ids);
  withContext(`${field}.user`, () => requireId(uid, ids));
  withContext(`${field}.group`, () => requireId(gid, ids));
  supplementaryGIDs.forEach((id, i) =>
    withContext(`${field}.supplementaryGIDs[${i}]`, () => requireId(id, ids))
  );
  return { uid, gid, groups: [gid, ...supplementaryGIDs] };
}

/**
 * Finds the id of a name in the text of a passwd(5) or group(5) file: a line's first field is the
 * name, its third the id.
 *
 * @returns The id; `undefined` when no line has both the name and a valid id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(findId("root:x:0:0::/:/bin/sh\ndaemon:x:1:1::/:\n", "daemon"), 1);
 * assertEquals(findId("root:x:0:0::/:/bin/sh\n", "daemon"), undefined);
 * ```
 */
export function findId(database: string, name: string): number | undefined {
  for (const line of database.split("\n")) {
    const [entry, , id] = line.split(":");
    if (entry === name && id !== undefined) return parseId(id);
  }
  return undefined;
}

/**
 * Resolves the group. Images from Docker may name the user's name as the group without having such
 * a group; Docker takes the user's number then.
 */
function resolveGroup(root: Fd, request: UserRequest, uid: number, ids?: IdRange): number {
  try {
    return resolveId(root, request, GROUP, ids);
  } catch (error) {
    if (request.groupMayBeUser && request.group === request.user) return uid;
    throw error;
  }
}

function resolveId(root: Fd, request: UserRequest, kind: Kind, ids?: IdRange): number {
  const wanted = request[kind.field];
  const fail = (why: string, cause?: unknown) =>
    new Error(`${request.field}.${kind.field}: ${JSON.stringify(wanted)} ${why}`, { cause });

  if (/^[0-9]+$/.test(wanted)) {
    const id = parseId(wanted);
    if (id === undefined) throw fail("is too large for an id");
    return id;
  }
  if (wanted.startsWith("/")) {
    return ownerOf(root, wanted, kind, fail, ids);
  }
  const database = readDatabase(root, kind, fail);
  const id = findId(database ?? "", wanted);
  if (id !== undefined) return id;
  // Even a root file system without databases has a root user.
  if (wanted === "root") return 0;
  throw fail(
    database === undefined
      ? `cannot be looked up: the app has no ${kind.database}`
      : `is not in ${kind.database} of the app`,
  );
}

type Fail = (why: string, cause?: unknown) => Error;

function ownerOf(root: Fd, path: string, kind: Kind, fail: Fail, ids?: IdRange): number {
  const owner = podId(findOwner(root, path, kind, fail), ids);
  if (owner === undefined) {
    throw fail(`is a path whose owner is meant, and that is no ${kind.field} of the pod`);
  }
  return owner;
}

function findOwner(root: Fd, path: string, kind: Kind, fail: Fail): number {
  try {
    using fd = openInRoot(root, path, O_PATH);
    return statFd(fd)[kind.id];
  } catch (error) {
    throw fail("is a path whose owner is meant, and cannot be found in the app", error);
  }
}

function readDatabase(root: Fd, kind: Kind, fail: Fail): string | undefined {
  try {
    using entry = openInRoot(root, kind.database, O_PATH);
    if (statFd(entry).kind !== "file") throw new Error("not a regular file");
    // Should a FIFO take the file's place now, opening it does not wait for a writer.
    using fd = openInRoot(root, kind.database, O_RDONLY | O_NONBLOCK);
    return readText(fd, LARGEST_DATABASE);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw fail(`cannot be looked up in ${kind.database} of the app`, error);
  }
}

function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}
