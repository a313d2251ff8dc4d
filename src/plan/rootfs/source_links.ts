/**
 * Symbolic links on the way to a volume's source. Pure.
 *
 * By default they are followed, as by rkt's other stage1 images: whoever named the source also owns
 * the host's links. The pod can have them refused instead, for sources that lie where an app may
 * write.
 *
 * @module
 */

import { namesOf } from "../../linux/path_names.ts";
import { refuseField } from "../fields.ts";
import type { VolumeMount } from "./volumes.ts";

/**
 * Returns where a source really is, if links lead there.
 *
 * @param source The path that the volume gives.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * assertEquals(leadsTo("/bin/", "/usr/bin"), "/usr/bin");
 * assertEquals(leadsTo("/usr/./lib/../bin/", "/usr/bin"), undefined);
 * ```
 */
export function leadsTo(source: string, realPath: string): string | undefined {
  return realPath === normalize(source) ? undefined : realPath;
}

/**
 * Refuses volumes whose sources are, or lead through, a link.
 *
 * @param sources Facts of the sources, by the paths that the volumes give.
 * @throws {Error} at the first such volume; the message says where the link leads.
 */
export function refuseLinks(
  volumes: readonly VolumeMount[],
  sources: ReadonlyMap<string, { realPath: string }>,
): void {
  for (const { volume, field } of volumes) {
    if (volume.kind !== "host") continue;
    const facts = sources.get(volume.source);
    const realPath = facts && leadsTo(volume.source, facts.realPath);
    if (realPath === undefined) continue;
    throw refuseField(
      "pod: volumes (host) behind a link",
      `${field}: source of the volume: ${volume.source} leads through a symbolic link to ` +
        realPath,
    );
  }
}

/** Returns the path without doubled and trailing slashes and dots, as if there were no links. */
function normalize(path: string): string {
  const names: string[] = [];
  for (const name of namesOf(path)) {
    if (name === "..") names.pop();
    else names.push(name);
  }
  return `/${names.join("/")}`;
}
