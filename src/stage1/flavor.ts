/**
 * The flavor of the image, which is an annotation in its manifest.
 *
 * Both flavors have the same entrypoints. These read the manifest that stage0 leaves in the pod
 * directory to know which flavor they are in.
 *
 * @module
 */

import { withContext } from "./context.ts";
import { POD_PATHS } from "./pod_directory.ts";

/** `host`: the pod is in the host's namespaces. `isolated`: it has namespaces of its own. */
export const FLAVORS = ["host", "isolated"] as const;

/** One of {@linkcode FLAVORS}. */
export type Flavor = typeof FLAVORS[number];

/** The annotation's name. */
export const FLAVOR_ANNOTATION = "stage1-volo/flavor";

/**
 * Reads the flavor of the image.
 *
 * @param directory The pod directory.
 * @throws {Error} when the image's manifest cannot be read, or has an unknown flavor.
 */
export function readFlavor(directory = "."): Flavor {
  const path = `${directory}/${POD_PATHS.stage1Manifest}`;
  return withContext(
    POD_PATHS.stage1Manifest,
    () => flavorOf(JSON.parse(Deno.readTextFileSync(path))),
  );
}

/**
 * Returns the flavor that a manifest names; `host` when it names none.
 *
 * @throws {Error} when the manifest has an unknown flavor.
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
