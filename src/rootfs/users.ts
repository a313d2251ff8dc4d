/**
 * The user and groups of an app: appc spec, `spec/aci.md`, `app.user` and `app.group`.
 *
 * An absolute path means the owner of what is there. Anything else is a name in the app's own
 * /etc/passwd or /etc/group, or, if it is none there, a number. Paths and files are looked up
 * inside the app's root, whose contents are not trusted.
 *
 * @module
 */

import type { Credentials } from "../linux/credentials.ts";
import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_PATH, openFound, openInRoot } from "../linux/open.ts";
import { readText } from "../linux/read_write.ts";
import { statFd } from "../linux/stat.ts";
import { quoteText } from "../linux/text.ts";
import { type Account, ROOT_ACCOUNT, UNKNOWN_ACCOUNT } from "../plan/environment.ts";
import { type IdRange, podId, requireId } from "../plan/id_range.ts";
import type { UserRequest } from "../plan/process/user.ts";
import { withContext } from "../stage1/context.ts";

/** The most bytes of a user database that are read. */
const LARGEST_DATABASE = 4 * 1024 * 1024;

const LARGEST_ID = 0xffff_fffe;

/** The most bytes of a user's name and directory: `LOGIN_NAME_MAX` and `PATH_MAX`. */
const LONGEST_NAME = 256;
const LONGEST_HOME = 4096;

/** One kind of id: what its database is called and which file holds it. */
interface Kind {
  field: "user" | "group";
  /** The words of rkt's own stage1 about a name that there is not; scripts look for them. */
  missing: string;
  database: string;
  id: "uid" | "gid";
}

const USER: Kind = {
  field: "user",
  missing: "user not found",
  database: "/etc/passwd",
  id: "uid",
};
const GROUP: Kind = {
  field: "group",
  missing: "group not found",
  database: "/etc/group",
  id: "gid",
};

/** The user that an app runs as. */
export interface AppUser {
  /** As ids of the pod. */
  credentials: Credentials;
  account: Account;
}

/** What a line of passwd(5) or group(5) says. */
export interface DatabaseEntry {
  name: string;
  id: number;
  /** The directory of a user; in a group's line something else. */
  home: string;
}

/**
 * Looks up the user and groups of an app, and the account of the user. Of root it is always the
 * same.
 *
 * @param root The app's root, with its volumes in place.
 * @param ids The range of ids of a pod with users of its own.
 * @throws {Error} when the app has no such user, group or path, or the pod no such id; it names the
 * field.
 */
export function resolveUser(root: Fd, request: UserRequest, ids?: IdRange): AppUser {
  const { field, supplementaryGIDs } = request;
  const users = new Database(root, USER, request);
  const groups = new Database(root, GROUP, request);
  const uid = resolveId(users, ids);
  const gid = resolveGroup(groups, uid, ids);
  withContext(`${field}.user`, () => requireId(uid, ids));
  withContext(`${field}.group`, () => requireId(gid, ids));
  supplementaryGIDs.forEach((id, i) =>
    withContext(`${field}.supplementaryGIDs[${i}]`, () => requireId(id, ids))
  );
  const credentials = { uid, gid, groups: [gid, ...supplementaryGIDs] };
  return { credentials, account: uid === 0 ? ROOT_ACCOUNT : accountOf(uid, users) };
}

/**
 * Finds the first line of passwd(5) or group(5) that is wanted. A line's first field is the name,
 * its third the id, and a user's sixth the directory. Lines without a valid id are passed over.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const passwd = "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:\n";
 * assertEquals(findEntry(passwd, ({ name }) => name === "daemon")?.id, 1);
 * assertEquals(findEntry(passwd, ({ id }) => id === 2), undefined);
 * ```
 */
export function findEntry(
  database: string,
  isWanted: (entry: DatabaseEntry) => boolean,
): DatabaseEntry | undefined {
  for (const line of database.split("\n")) {
    const [name = "", , number = "", , , home = ""] = line.split(":");
    const id = parseId(number);
    if (id !== undefined && isWanted({ name, id, home })) return { name, id, home };
  }
  return undefined;
}

/** A file of the app's in which names are looked up, read when it is first needed. */
class Database {
  /** The text, if there is such a file; or why it cannot be read. */
  #content: { text: string | undefined } | { error: unknown } | undefined;

  constructor(readonly root: Fd, readonly kind: Kind, readonly request: UserRequest) {}

  /** What the manifest asks for. */
  get wanted(): string {
    return this.request[this.kind.field];
  }

  /**
   * @returns `undefined` when there is no such file.
   * @throws {Error} when the file cannot be read.
   */
  read(): string | undefined {
    this.#content ??= this.#open();
    if ("text" in this.#content) return this.#content.text;
    throw this.fail(`cannot be looked up in ${this.kind.database} of the app`, this.#content.error);
  }

  /** Finds an entry; there is none where the file cannot be read. */
  tryToFind(isWanted: (entry: DatabaseEntry) => boolean): DatabaseEntry | undefined {
    this.#content ??= this.#open();
    return "text" in this.#content ? findEntry(this.#content.text ?? "", isWanted) : undefined;
  }

  fail(why: string, cause?: unknown): Error {
    const { field } = this.request;
    return new Error(`${field}.${this.kind.field}: ${quoteText(this.wanted)} ${why}`, {
      cause,
    });
  }

  #open(): { text: string | undefined } | { error: unknown } {
    try {
      return { text: readDatabase(this.root, this.kind.database) };
    } catch (error) {
      return { error };
    }
  }
}

/**
 * Resolves the group. Images from Docker may name the user's name as the group without having such
 * a group; Docker takes the user's number then.
 */
function resolveGroup(groups: Database, uid: number, ids?: IdRange): number {
  try {
    return resolveId(groups, ids);
  } catch (error) {
    const { groupMayBeUser, user, group } = groups.request;
    if (groupMayBeUser && group === user) return uid;
    throw error;
  }
}

/**
 * A name may consist of digits, so that a number is looked up as a name first: appc spec,
 * `spec/aci.md`. Where the file cannot be read, a number is an id.
 */
function resolveId(database: Database, ids?: IdRange): number {
  const { wanted, kind } = database;
  const isWanted = ({ name }: DatabaseEntry) => name === wanted;
  if (wanted.startsWith("/")) return ownerOf(database, ids);
  if (/^[0-9]+$/.test(wanted)) {
    const id = database.tryToFind(isWanted)?.id ?? parseId(wanted);
    if (id === undefined) throw database.fail("is too large for an id");
    return id;
  }
  const text = database.read();
  const entry = findEntry(text ?? "", isWanted);
  if (entry !== undefined) return entry.id;
  // Even a root file system without databases has a root user.
  if (wanted === "root") return 0;
  const where = text === undefined
    ? `: the app has no ${kind.database}`
    : ` in ${kind.database} of the app`;
  throw database.fail(`${kind.missing}${where}`);
}

/**
 * Looks up the account of a user other than root. Several names may have one id: the name that the
 * manifest has goes first, then the first of the file.
 */
function accountOf(uid: number, users: Database): Account {
  const entry = users.tryToFind(({ name, id }) => id === uid && name === users.wanted) ??
    users.tryToFind(({ id }) => id === uid);
  if (entry === undefined) return UNKNOWN_ACCOUNT;
  const { name, home } = entry;
  return {
    name: isVariable(name, LONGEST_NAME) ? name : UNKNOWN_ACCOUNT.name,
    home: home.startsWith("/") && isVariable(home, LONGEST_HOME) ? home : UNKNOWN_ACCOUNT.home,
  };
}

/** Tells whether a text of the image's, which may be anything, can be the value of a variable. */
function isVariable(text: string, longest: number): boolean {
  return text !== "" && text.length <= longest && !text.includes("\0");
}

function ownerOf(database: Database, ids?: IdRange): number {
  const owner = podId(findOwner(database), ids);
  if (owner === undefined) {
    throw database.fail(
      `is a path whose owner is meant, and that is no ${database.kind.field} of the pod`,
    );
  }
  return owner;
}

function findOwner(database: Database): number {
  try {
    using fd = openInRoot(database.root, database.wanted, O_PATH);
    return statFd(fd)[database.kind.id];
  } catch (error) {
    throw database.fail("is a path whose owner is meant, and cannot be found in the app", error);
  }
}

/** @returns `undefined` when there is no such file. */
function readDatabase(root: Fd, path: string): string | undefined {
  try {
    using entry = openInRoot(root, path, O_PATH);
    if (statFd(entry).kind !== "file") throw new Error("not a regular file");
    using fd = openFound(entry);
    return readText(fd, LARGEST_DATABASE);
  } catch (error) {
    if (failedWith(error, "ENOENT")) return undefined;
    throw error;
  }
}

function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}
