/**
 * Whom an app runs as: appc spec, `spec/aci.md`, `app.user` and `app.group`.
 *
 * A number is taken as it is, an absolute path means its owner, anything else is a name in the app's own
 * /etc/passwd or /etc/group. All is looked up inside the app's root, where nothing can be trusted.
 *
 * @module
 */

import type { Credentials } from "../linux/credentials.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_PATH, O_RDONLY, openInRoot } from "../linux/open.ts";
import { readText } from "../linux/read_write.ts";
import { statFd } from "../linux/stat.ts";
import { type IdRange, podId, requireId } from "../plan/id_range.ts";
import type { UserRequest } from "../plan/process/user.ts";
import { withContext } from "../stage1/context.ts";

/** Opening must not wait for a writer, should the path turn out to be a FIFO. */
const O_NONBLOCK = 0o4000;

/** No honest user database of an image is larger, in bytes. */
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
 * @param ids The pod's, where these are not the host's.
 * @returns The credentials in the pod's numbers.
 * @throws {Error} which names the field, when there is no such user, group or path in the app, or no such id in
 * the pod.
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
 * Finds a name in the text of a passwd(5) or group(5) file: the name is the first field, the id the third.
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

/** Docker images name a group after their user, without making it; docker means the user's number then. */
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
  // An app that is but a program needs no database to have a root.
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
