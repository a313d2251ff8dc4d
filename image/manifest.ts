/**
 * The stage1 image's manifest: appc spec 0.8.11, `spec/aci.md`, and the annotations of rkt's stage1
 * implementors guide.
 *
 * @module
 */

import { type Flavor, FLAVOR_ANNOTATION } from "../src/stage1/flavor.ts";

/** The images' names: AC Identifiers. They are never discovered, so they need no domain. */
export const IMAGE_NAMES: Readonly<Record<Flavor, string>> = {
  host: "stage1-volo",
  isolated: "stage1-volo-isolated",
};

/** What differs from one image to the next. */
export interface ImageLabels {
  /** The project's version. */
  readonly version: string;
  /** The processor, in appc's spelling. */
  readonly arch: string;
  /** Whether a pod is in the host's namespaces or has its own. */
  readonly flavor: Flavor;
}

/** How rkt finds the entrypoints, and which flags it may pass to them. */
const ANNOTATIONS = {
  "coreos.com/rkt/stage1/run": "/run",
  "coreos.com/rkt/stage1/enter": "/enter",
  "coreos.com/rkt/stage1/gc": "/gc",
  "coreos.com/rkt/stage1/stop": "/stop",
  "coreos.com/rkt/stage1/interface-version": "6",
};

/** The manifest, ready to be written as JSON. */
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
