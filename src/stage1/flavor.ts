/**
 * How far the image keeps a pod apart from the host: an annotation of the stage1 image's manifest.
 *
 * The same programs serve an image of either kind; which one they are in, stage0 has left in the pod directory.
 *
 * @module
 */

import { naming } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** `host`: the pod is in the host's namespaces. `pod`: it has its own. */
export const ISOLATIONS = ["host", "pod"] as const;

/** One of {@linkcode ISOLATIONS}. */
export type Isolation = typeof ISOLATIONS[number];

/** The annotation's name. */
export const ISOLATION_ANNOTATION = "stage1-volo/isolation";

/**
 * Reads which kind of image this is. One that does not say is in the host's namespaces.
 *
 * @param directory The pod directory.
 * @throws {Error} when the stage1 manifest cannot be read, or says something else.
 */
export function readIsolation(directory = "."): Isolation {
  const path = `${directory}/${POD_PATHS.stage1Manifest}`;
  return naming(
    POD_PATHS.stage1Manifest,
    () => isolationOf(JSON.parse(Deno.readTextFileSync(path))),
  );
}

/**
 * What a stage1 image's manifest says.
 *
 * @throws {Error} when it says neither `host` nor `pod`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const annotations = [{ name: "stage1-volo/isolation", value: "pod" }];
 * assertEquals(isolationOf({ annotations }), "pod");
 * assertEquals(isolationOf({}), "host");
 * ```
 */
export function isolationOf(
  manifest: { annotations?: readonly { name: string; value: string }[] },
): Isolation {
  const said = manifest.annotations?.find(({ name }) => name === ISOLATION_ANNOTATION)?.value;
  if (said === undefined || said === "host" || said === "pod") return said ?? "host";
  throw new Error(`${ISOLATION_ANNOTATION}: ${JSON.stringify(said)} is neither host nor pod`);
}
