/**
 * The stage1 image's manifest: appc spec 0.8.11, `spec/aci.md`, and the annotations of rkt's stage1
 * implementors guide.
 *
 * @module
 */

/** The image's name: an AC Identifier. It is never discovered, so it needs no domain. */
export const IMAGE_NAME = "stage1-volo";

/** What differs from one image to the next. */
export interface ImageLabels {
  /** The project's version. */
  readonly version: string;
  /** The processor, in appc's spelling. */
  readonly arch: string;
}

/** How rkt finds the entrypoints, and which flags it may pass to them. */
const ANNOTATIONS = {
  "coreos.com/rkt/stage1/run": "/run",
  "coreos.com/rkt/stage1/enter": "/enter",
  "coreos.com/rkt/stage1/gc": "/gc",
  "coreos.com/rkt/stage1/stop": "/stop",
  "coreos.com/rkt/stage1/interface-version": "5",
};

/** The manifest, ready to be written as JSON. */
export function imageManifest({ version, arch }: ImageLabels) {
  return {
    acKind: "ImageManifest",
    acVersion: "0.8.11",
    name: IMAGE_NAME,
    labels: toPairs({ version, arch, os: "linux" }),
    annotations: toPairs(ANNOTATIONS),
  };
}

function toPairs(values: Record<string, string>): { name: string; value: string }[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}
