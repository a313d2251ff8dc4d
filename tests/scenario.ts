/**
 * Tests of the whole system: each has a stage0 and a directory of its own, and fails if it leaves
 * anything behind.
 *
 * @module
 */

import { type Host, olderHost, type OldKernel, thisHost } from "./host.ts";
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
  /** Composes a pod of several apps, each of them a shell script, by their names. */
  scripts(texts: Record<string, string>): Promise<Pod>;
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

/** The images under test: that whose pods are in the host's namespaces, and that whose pods have their own. */
export const STAGE1: string = imageUnderTest("STAGE1", "stage1-volo.aci");
export const ISOLATED_STAGE1: string = imageUnderTest(
  "STAGE1_ISOLATED",
  "stage1-volo-isolated.aci",
);

function imageUnderTest(variable: string, file: string): string {
  return Deno.env.get(variable) ?? new URL(`../dist/${file}`, import.meta.url).pathname;
}

/** What a test may have otherwise than usual. */
export interface Setting {
  /** The kernel that the entrypoints find. */
  kernel?: Host;
  /** What is passed as `--net` where the test says nothing. */
  net?: string;
  /** The image, where it is not the one under test. */
  stage1?: string;
  /** How many milliseconds the test may take. */
  patience?: number;
}

/** Declares a test; where a need is not met, it is ignored, and its name says why. */
export function scenario(
  name: string,
  test: (stage: Stage) => Promise<void>,
  needs: Need[] = [],
  setting: Setting = {},
): void {
  declare(name, test, needs, { stage1: STAGE1, net: "default", ...setting });
}

/** Declares a test of the image whose pods have namespaces of their own. They are in no network, unless it says so. */
export function isolatedScenario(
  name: string,
  test: (stage: Stage) => Promise<void>,
  needs: Need[] = [],
  setting: Setting = {},
): void {
  declare(`${name}, isolated`, test, needs, { stage1: ISOLATED_STAGE1, net: "none", ...setting });
}

/** Declares a test of each image. */
export function eitherScenario(
  name: string,
  test: (stage: Stage) => Promise<void>,
  needs: Need[] = [],
): void {
  scenario(name, test, needs);
  isolatedScenario(name, test, needs);
}

/** What a test is about. */
interface Subject extends Setting {
  /** The image. */
  stage1: string;
  net: string;
}

function declare(
  name: string,
  test: (stage: Stage) => Promise<void>,
  needs: Need[],
  { stage1, net, kernel = thisHost, patience = PATIENCE }: Subject,
): void {
  const missing = [...BASIC_NEEDS, ...needs].filter(({ met }) => !met).map(({ what }) => what);
  Deno.test({
    name: missing.length === 0 ? name : `${name} (needs ${missing.join(", ")})`,
    ignore: missing.length > 0,
    fn: () => withoutLeftovers(() => onStage(test, { stage1, net, kernel }), patience),
  });
}

const OLD_KERNELS: OldKernel[] = ["5.8", "5.10"];

/** Declares a test, and once more for each older kernel that the entrypoints can find. */
export function onEachKernel(
  name: string,
  test: (stage: Stage) => Promise<void>,
  needs: Need[] = [],
): void {
  scenario(name, test, needs);
  for (const old of OLD_KERNELS) {
    scenario(`${name}, on Linux ${old}`, test, needs, { kernel: olderHost(old) });
  }
}

/** How many milliseconds a test may take, unless it says otherwise. */
const PATIENCE = 60_000;

/** Why a test failed matters more than what it then left behind. */
async function withoutLeftovers(
  test: () => Promise<void>,
  milliseconds: number,
): Promise<void> {
  const before = takeTraces(TEMP_DIR);
  // Without its processes, a test that waits in vain goes on, and fails.
  const kill = () => killAll(newProcesses(before, takeTraces(TEMP_DIR)));
  const patience = setTimeout(kill, milliseconds);
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

async function onStage(
  test: (stage: Stage) => Promise<void>,
  options: { stage1: string; net: string; kernel: Host },
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "scenario-" });
  try {
    await using stage0 = await Stage0.open({ ...options, cache: CACHE! });
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
  const scripts = async (texts: Record<string, string>) => {
    const image = await busyboxImage();
    const apps = Object.entries(texts).map(([name, text]) => ({
      image,
      name,
      app: { exec: ["/bin/sh", "-c", text] },
    }));
    return await stage0.prepare({ apps });
  };
  return { stage0, dir, image, pod, script, scripts };
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
