/**
 * The mount table as /proc/PID/mountinfo shows it: proc_pid_mountinfo(5).
 *
 * @module
 */

/** How mounts and unmounts travel between a mount and its copies: mount_namespaces(7). */
export type Propagation = "shared" | "slave" | "private";

/** One line of mountinfo. */
export interface Mount {
  /** The mount's number, unique while it is mounted. */
  id: number;
  /** The number of the mount that it is on. */
  parentId: number;
  /** The path inside its file system that is the mount's root. */
  root: string;
  /** Its path in the reader's root. */
  mountPoint: string;
  /** Its own options, such as `ro`. */
  options: string[];
  propagation: Propagation;
  /** The file system's type. */
  type: string;
  /**
   * The options of the file system itself, comma-separated. Those of a cgroup hierarchy include its
   * controllers.
   */
  superOptions: string;
}

/**
 * Parses the text of a mountinfo file.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(parseMountinfo("36 35 98:0 /mnt1 /mnt\\0402 rw master:1 - ext3 /dev/root rw\n"), [{
 *   id: 36,
 *   parentId: 35,
 *   root: "/mnt1",
 *   mountPoint: "/mnt 2",
 *   options: ["rw"],
 *   propagation: "slave",
 *   type: "ext3",
 *   superOptions: "rw",
 * }]);
 * ```
 */
export function parseMountinfo(text: string): Mount[] {
  return text.split("\n").filter((line) => line !== "").map(parseLine);
}

/**
 * Returns a mount, the mounts on it, and so on, as far as a path leads to them: a mount that lies
 * under another one is left out.
 *
 * @param id The mount's number.
 */
export function reachableMounts(mounts: readonly Mount[], id: number): Mount[] {
  const mount = mounts.find((it) => it.id === id);
  if (mount === undefined) return [];
  const onIt = mounts.filter((it) => it.parentId === id && it.id !== id);
  const isUnder = (it: Mount, other: Mount) =>
    it.mountPoint !== other.mountPoint && isWithin(it.mountPoint, other.mountPoint);
  const visible = onIt.filter((it) => !onIt.some((other) => isUnder(it, other)));
  const covered = visible.some(({ mountPoint }) => mountPoint === mount.mountPoint);
  return [...(covered ? [] : [mount]), ...visible.flatMap((it) => reachableMounts(mounts, it.id))];
}

/** Checks whether `path` is `directory` or below it. Both are absolute and have no `..`. */
export function isWithin(path: string, directory: string): boolean {
  const prefix = directory.endsWith("/") ? directory : `${directory}/`;
  return path === directory || path.startsWith(prefix);
}

function parseLine(line: string): Mount {
  const fields = line.split(" ");
  const separator = fields.indexOf("-");
  const [id = "", parentId = "", , root = "", mountPoint = "", options = ""] = fields;
  return {
    id: Number(id),
    parentId: Number(parentId),
    root: unescapeOctal(root),
    mountPoint: unescapeOctal(mountPoint),
    options: options.split(","),
    propagation: propagationOf(fields, separator),
    type: fields[separator + 1] ?? "",
    superOptions: fields[separator + 3] ?? "",
  };
}

/** The tags stand between the options and the separator. */
function propagationOf(fields: readonly string[], separator: number): Propagation {
  let propagation: Propagation = "private";
  for (let i = 6; i < separator; i++) {
    if (fields[i]!.startsWith("shared:")) return "shared";
    if (fields[i]!.startsWith("master:")) propagation = "slave";
  }
  return propagation;
}

/** The kernel writes space, tab, newline and backslash as `\` and three octal digits. */
function unescapeOctal(field: string): string {
  if (!field.includes("\\")) return field;
  return field.replace(
    /\\([0-7]{3})/g,
    (_, digits: string) => String.fromCharCode(parseInt(digits, 8)),
  );
}
