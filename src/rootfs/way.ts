/**
 * The way that a path takes in an app's root, through links, as far as it is there.
 *
 * It decides the order of mounts, and where a target that is missing is made. Each name is looked
 * up on a path without links, so that who exchanges files meanwhile has no other link followed than
 * those that are accounted for.
 *
 * @module
 */

import { failedWith } from "../linux/errno.ts";
import type { Fd } from "../linux/fd.ts";
import { O_NOFOLLOW, O_PATH, openBeneath } from "../linux/open.ts";
import { readLinkAt } from "../linux/path.ts";
import { namesOf } from "../linux/path_names.ts";
import { statFd } from "../linux/stat.ts";
import type { Way } from "../plan/rootfs/volume_order.ts";

/** The most symbolic links that the kernel itself follows in one path: path_resolution(7). */
const MOST_LINKS = 40;

/** A way, as it is at the moment. */
export interface FoundWay extends Way {
  /** The ids of the mounts that the links on the way are in. */
  linkMounts: ReadonlySet<number>;
  /** Where the first thing on the way that is missing would be; `undefined` if all is there. */
  missing: MissingPlace | undefined;
}

/** A place for a file or directory that is missing. */
export interface MissingPlace {
  /** The path of its directory below the root, without links. */
  directory: string;
  name: string;
  /** The names that follow on the way. Below what is missing, there are no links. */
  rest: readonly string[];
}

/**
 * Finds the way of a path. What is missing has no links.
 *
 * @throws {Error} when links go round in circles.
 * @throws {SyscallError} when a part of it cannot be looked at.
 */
export function findWay(root: Fd, path: string): FoundWay {
  const names = namesOf(path);
  const passes = new Set<string>();
  const linkMounts = new Set<number>();
  let missing: MissingPlace | undefined;
  let here: string[] = [];
  let links = 0;
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "..") {
      here.pop();
      continue;
    }
    passes.add(join(here));
    using file = openIfThere(root, [...here, name].join("/"));
    if (file === undefined) {
      missing ??= { directory: here.join("/"), name, rest: [...names] };
    }
    if (file === undefined || statFd(file).kind !== "symlink") {
      here.push(name);
      continue;
    }
    if (++links > MOST_LINKS) throw new Error(`${path}: too many symbolic links`);
    linkMounts.add(statFd(file).mountId);
    const link = readLinkAt(file, "");
    if (link.startsWith("/")) here = [];
    names.unshift(...namesOf(link));
  }
  const place = join(here);
  return { place, passes: passes.add(place), linkMounts, missing };
}

/**
 * Opens what is at a path, also a link, unless nothing is there. The path has no links before its
 * last name; if somebody has just made one, nothing counts as there.
 *
 * @param flags Beside `O_PATH` and `O_NOFOLLOW`: with `O_DIRECTORY`, a directory alone counts.
 * @throws {SyscallError} when it cannot be looked at.
 */
export function openIfThere(directory: Fd, path: string, flags = 0): Fd | undefined {
  try {
    return openBeneath(directory, path, O_PATH | O_NOFOLLOW | flags);
  } catch (error) {
    if (failedWith(error, "ENOENT", "ENOTDIR", "ELOOP")) return undefined;
    throw error;
  }
}

function join(names: readonly string[]): string {
  return `/${names.join("/")}`;
}
