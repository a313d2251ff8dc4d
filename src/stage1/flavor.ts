/**
 * How far the image keeps a pod apart from the host: an annotation of the stage1 image's manifest.
 *
 * The same programs serve an image of either kind; which one they are in, stage0 has left in the pod directory.
 *
 * @module
 */

import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** `host`: the pod is in the host's namespaces. `isolated`: it has its own. */
export const FLAVORS = ["host", "isolated"] as const;

/** One of {@linkcode FLAVORS}. */
export type Flavor = typeof FLAVORS[number];

/** The annotation's name. */
export const FLAVOR_ANNOTATION = "stage1-volo/flavor";

/**
 * Reads which kind of image this is. One that does not say is in the host's namespaces.
 *
 * @param directory The pod directory.
 * @throws {Error} when the stage1 manifest cannot be read, or says something else.
 */
export function readFlavor(directory = "."): Flavor {
  const path = `${directory}/${POD_PATHS.stage1Manifest}`;
  return withContext(
    POD_PATHS.stage1Manifest,
    () => flavorOf(JSON.parse(Deno.readTextFileSync(path))),
  );
}

/**
 * What a stage1 image's manifest says.
 *
 * @throws {Error} when it says neither `host` nor `isolated`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const annotations = [{ name: "stage1-volo/flavor", value: "isolated" }];
 * assertEquals(flavorOf({ annotations }), "isolated");
 * assertEquals(flavorOf({}), "host");
 * ```
 */
export function flavorOf(
  manifest: { annotations?: readonly { name: string; value: string }[] },
): Flavor {
  const said = manifest.annotations?.find(({ name }) => name === FLAVOR_ANNOTATION)?.value;
  if (said === undefined || said === "host" || said === "isolated") return said ?? "host";
  throw new Error(`${FLAVOR_ANNOTATION}: ${JSON.stringify(said)} is neither host nor isolated`);
}
