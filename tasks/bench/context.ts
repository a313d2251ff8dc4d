/**
 * The context of all measurements of `deno task bench`.
 *
 * @module
 */

import type { Flavor } from "../../src/stage1/flavor.ts";
import type { Build, Peer } from "./builds.ts";

/** The options of the task. */
export interface BenchOptions {
  /** The directory for all files, which is removed at the end. */
  readonly directory: string;
  /** How often fast processes are timed. */
  readonly rounds: number;
  /** The rkt program. */
  readonly rkt?: string | undefined;
  /** Another stage1 image. */
  readonly peer?: string | undefined;
  /** A directory with the images of another build. */
  readonly before?: string | undefined;
}

/** The subjects of the measurements. */
export interface BenchContext extends Pick<BenchOptions, "directory" | "rounds" | "rkt"> {
  /** This build, and the one that it is compared with. */
  readonly builds: readonly Build[];
  /** Another stage1 image. */
  readonly peer?: Peer | undefined;
  /** A compiled program that does nothing. */
  readonly empty: string;
  /** The directory of an app's image, which has busybox, and /bin/true as its program. */
  readonly app: string;
}

/** The names of the images where they are compared. */
export const TITLES: Readonly<Record<Flavor, string>> = { host: "host", isolated: "isolated" };
