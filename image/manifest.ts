/**
 * The manifest of a stage1 image: appc spec 0.8.11, `spec/aci.md`, with the annotations of rkt's
 * stage1 implementor's guide.
 *
 * @module
 */

import { type Flavor, FLAVOR_ANNOTATION } from "../src/stage1/flavor.ts";
import { ENTRYPOINTS } from "./entrypoints.ts";

/** The names of the images: AC Identifiers. No domain is in them, as images are not discovered. */
export const IMAGE_NAMES: Readonly<Record<Flavor, string>> = {
  host: "stage1-volo",
  isolated: "stage1-volo-isolated",
};

/** The labels and annotations in which images differ. */
export interface ImageLabels {
  /** The project's version. */
  readonly version: string;
  /** The name of the processor in appc. */
  readonly arch: string;
  /** The image's flavor. */
  readonly flavor: Flavor;
}

/** The annotations that tell rkt the entrypoints' paths, and the version of their flags. */
const ANNOTATIONS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    Object.entries(ENTRYPOINTS).map(([name, key]) => [`coreos.com/rkt/stage1/${key}`, `/${name}`]),
  ),
  "coreos.com/rkt/stage1/interface-version": "6",
};

/** Returns the manifest of an image, to be written as JSON. */
export function imageManifest({ version, arch, flavor }: ImageLabels) {
  return {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: IMAGE_NAMES[flavor],
    labels: toPairs({ version, arch, os: "linux" }),
    annotations: toPairs({ ...ANNOTATIONS, [FLAVOR_ANNOTATION]: flavor }),
  };
}

function toPairs(values: Record<string, string>): { name: string; value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
