/**
 * Tests of the whole system: each has a stage0 and a directory of its own, and fails if it leaves
 * anything behind.
 *
 * @module
 */

import { BUSYBOX, type ImageOptions, makeImage } from "./images.ts";
import { compareTraces, newProcesses, takeTraces } from "./leftovers.ts";
import { type App, type AppOptions, type Pod, type PodOptions, Stage0 } from "./stage0.ts";

/** A pod of one busybox app. */
export interface SimplePod extends Omit<PodOptions, "apps">, Omit<AppOptions, "image" | "app"> {
  /** Fields of the pod's `app` section. */
  app?: Partial<App>;
  /** The image; by default one for all tests. */
  image?: string;
}

/** What a test works with. */
export interface Stage {
  /** The stage1 under test, and its stage0. */
  stage0: Stage0;
  /** A directory that goes when the test ends. */
  dir: string;
  /** Makes an image. */
  image(options: ImageOptions): Promise<string>;
  /** Composes a pod of one app, which is called `app`. */
  pod(options?: SimplePod): Promise<Pod>;
  /** Composes a pod whose app is a shell script. */
  script(text: string, options?: SimplePod): Promise<Pod>;
}

/** Something that not every machine has. */
export interface Need {
  /** What a person would have to bring. */
  what: string;
  /** Whether it is there. */
  met: boolean;
}

/** Where `tests/main.ts` wants unpacked images; it removes them in the end. */
const CACHE = Deno.env.get("STAGE1_CACHE");

/** Where it wants everything else. */
const TEMP_DIR = Deno.env.get("TMPDIR") ?? "/tmp";

/** What all tests need. */
const BASIC_NEEDS: Need[] = [
  { what: "tests/main.ts around it", met: CACHE !== undefined },
  { what: "root", met: Deno.uid() === 0 },
  { what: "a static busybox", met: BUSYBOX !== undefined },
];

/** The image under test. */
export const STAGE1: string = Deno.env.get("STAGE1") ??
  new URL("../dist/stage1-volo.aci", import.meta.url).pathname;

/** Declares a test; where a need is not met, it is ignored, and its name says why. */
export function scenario(
  name: string,
  test: (stage: Stage) => Promise<void>,
  needs: Need[] = [],
): void {
  const missing = [...BASIC_NEEDS, ...needs].filter(({ met }) => !met).map(({ what }) => what);
  Deno.test({
    name: missing.length === 0 ? name : `${name} (needs ${missing.join(", ")})`,
    ignore: missing.length > 0,
    fn: () => withoutLeftovers(() => onStage(test)),
  });
}

/** How many milliseconds a test may take. */
const PATIENCE = 60_000;

/** Why a test failed matters more than what it then left behind. */
async function withoutLeftovers(test: () => Promise<void>): Promise<void> {
  const before = takeTraces(TEMP_DIR);
  // Without its processes, a test that waits in vain goes on, and fails.
  const patience = setTimeout(() => killAll(newProcesses(before, takeTraces(TEMP_DIR))), PATIENCE);
  const [outcome] = await Promise.allSettled([test()]);
  clearTimeout(patience);
  const after = takeTraces(TEMP_DIR);
  killAll(newProcesses(before, after));
  if (outcome.status === "rejected") throw outcome.reason;
  const leftovers = compareTraces(before, after);
  if (leftovers.length > 0) throw new Error(`left behind:\n${leftovers.join("\n")}`);
}

/** So that the next test starts as this one did. */
function killAll(processes: [pid: number, line: string][]): void {
  for (const [pid] of processes) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch (error) {
      // It has ended by itself.
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

async function onStage(test: (stage: Stage) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "scenario-" });
  try {
    await using stage0 = await Stage0.open({ stage1: STAGE1, cache: CACHE! });
    await test(setStage(stage0, dir));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** Functions rather than methods, as tests take the stage apart. */
function setStage(stage0: Stage0, dir: string): Stage {
  let images = 0;
  const image = (options: ImageOptions) => makeImage(`${dir}/image-${images++}`, options);
  const pod = (options: SimplePod = {}) => preparePod(stage0, options);
  const script = (text: string, options: SimplePod = {}) =>
    pod({ ...options, app: { ...options.app, exec: ["/bin/sh", "-c", text] } });
  return { stage0, dir, image, pod, script };
}

async function preparePod(stage0: Stage0, options: SimplePod): Promise<Pod> {
  const { app, image, mounts, name, readOnlyRootFS, ...pod } = options;
  const entry: AppOptions = {
    image: image ?? await busyboxImage(),
    name: name ?? "app",
    ...(app ? { app } : {}),
    ...(mounts ? { mounts } : {}),
    ...(readOnlyRootFS ? { readOnlyRootFS } : {}),
  };
  return await stage0.prepare({ apps: [entry], ...pod });
}

/** One for all tests of a file: a pod never changes its image. */
let busybox: Promise<string> | undefined;

function busyboxImage(): Promise<string> {
  return busybox ??= makeImage(`${CACHE}/busybox-${crypto.randomUUID()}`);
}
