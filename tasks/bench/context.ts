/**
 * What all figures of `deno task bench` are taken from.
 *
 * @module
 */

import type { Flavor } from "../../src/stage1/flavor.ts";
import type { Build, Peer } from "./builds.ts";

/** What the user wants. */
export interface BenchOptions {
  /** Where everything is put; it is removed when all is done. */
  readonly directory: string;
  /** How often what is quick is timed. */
  readonly rounds: number;
  /** The rkt program. */
  readonly rkt?: string | undefined;
  /** Another stage1 image. */
  readonly peer?: string | undefined;
  /** A directory with the images of another build. */
  readonly before?: string | undefined;
}

/** What the figures are taken from. */
export interface BenchContext extends Pick<BenchOptions, "directory" | "rounds" | "rkt"> {
  /** This build, and what it is compared with. */
  readonly builds: readonly Build[];
  /** Another stage1 image. */
  readonly peer?: Peer | undefined;
  /** A compiled program that does nothing. */
  readonly empty: string;
  /** The image of an app that has busybox, whose program is /bin/true: a directory. */
  readonly app: string;
}

/** What the images are called where they are compared. */
export const TITLES: Readonly<Record<Flavor, string>> = { host: "host", isolated: "isolated" };
