/**
 * The way that a path takes in an app's root, through links, as far as it is there.
 *
 * It decides the order of mounts, and no more: a mount is put in place by a descriptor of its
 * target, which the kernel looks up.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_NOFOLLOW, O_PATH, openInRoot } from "../linux/open.ts";
import { readLinkAt } from "../linux/path.ts";
import { namesOf } from "../linux/path_names.ts";
import { statFd } from "../linux/stat.ts";
import type { Way } from "../plan/rootfs/volume_order.ts";
import { MOST_LINKS } from "./target.ts";

/**
 * Finds the way of a path. What is missing has no links.
 *
 * @throws {Error} when links go round in circles.
 * @throws {SyscallError} when a part of it cannot be looked at.
 */
export function findWay(root: Fd, path: string): Way {
  const names = namesOf(path);
  const passes = new Set<string>();
  let here: string[] = [];
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "..") {
      here.pop();
      continue;
    }
    passes.add(join(here));
    const link = readLinkIfThere(root, join([...here, name]));
    if (link === undefined) {
      here.push(name);
      continue;
    }
    if (++links > MOST_LINKS) throw new Error(`${path}: too many symbolic links`);
    if (link.startsWith("/")) here = [];
    names.unshift(...namesOf(link));
  }
  const place = join(here);
  return { place, passes: passes.add(place) };
}

/** The path has no links before its last name, unless somebody has just made them. */
function readLinkIfThere(root: Fd, path: string): string | undefined {
  try {
    using file = openInRoot(root, path, O_PATH | O_NOFOLLOW);
    return statFd(file).kind === "symlink" ? readLinkAt(file, "") : undefined;
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

function join(names: readonly string[]): string {
  return `/${names.join("/")}`;
}
