/**
 * Tests of the whole system: each has a stage0 and a directory of its own, and fails if it leaves
 * anything behind.
 *
 * @module
 */

import { type Flavor, FLAVORS } from "../src/stage1/flavor.ts";
import { type Host, olderHost, type OldKernel, thisHost } from "./host.ts";
import { BUSYBOX, type ImageOptions, makeImage } from "./images.ts";
import { compareTraces, newProcesses, takeTraces, type Traces } from "./leftovers.ts";
import {
  type App,
  type AppOptions,
  composedPods,
  type Pod,
  type PodOptions,
  Stage0,
} from "./stage0.ts";

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

/**
 * The images under test: that whose pods are in the host's namespaces, and that whose pods have
 * their own.
 */
export const STAGE1: string = imageUnderTest("STAGE1", "stage1-volo.aci");
export const ISOLATED_STAGE1: string = imageUnderTest(
  "STAGE1_ISOLATED",
  "stage1-volo-isolated.aci",
);

function imageUnderTest(variable: string, file: string): string {
  return Deno.env.get(variable) || new URL(`../dist/${file}`, import.meta.url).pathname;
}

/** A kernel that a test is run with: this machine's, or an older one in its place. */
export type Kernel = "now" | OldKernel;

/** This machine's kernel, and the older ones for which the entrypoints have another way. */
export const EVERY_KERNEL: readonly Kernel[] = ["now", "5.8", "5.10"];

/** What a test may have otherwise than usual. */
export interface ScenarioOptions {
  /** The image, or both, one after the other; by default that of pods in the host's namespaces. */
  flavor?: Flavor | "either";
  /** The kernels that the entrypoints find, one after the other; by default this machine's. */
  kernels?: readonly Kernel[];
  /** What not every machine has. Where one is missing, the test is skipped by name. */
  needs?: readonly Need[];
  /** The image's file, where it is not the one under test. */
  stage1?: string;
  /** How many milliseconds the test may take; by default a minute. */
  patience?: number;
}

/** What a test does; in its context it can declare steps. */
export type StageTest = (stage: Stage, context: Deno.TestContext) => Promise<void>;

/** The images under test, and what is passed to each as `--net` where a test says nothing. */
const SUBJECTS: Record<Flavor, Subject> = {
  host: { stage1: STAGE1, net: "default" },
  isolated: { stage1: ISOLATED_STAGE1, net: "none" },
};

/** An image, and the network of its pods. */
interface Subject {
  stage1: string;
  net: string;
}

/**
 * Declares a test of the whole system, once for each flavor and kernel.
 *
 * @param name Which behaviour is shown. Tests of isolated pods and with older kernels add that to
 * it.
 * @param options What is otherwise than usual; may be left out.
 * @param test Works with pods, and asserts.
 */
export function scenario(name: string, test: StageTest): void;
export function scenario(name: string, options: ScenarioOptions, test: StageTest): void;
export function scenario(name: string, ...rest: [StageTest] | [ScenarioOptions, StageTest]): void {
  const [options, test] = rest.length === 1 ? [{}, rest[0]] : rest;
  const { flavor = "host", kernels = ["now"] } = options;
  for (const each of flavor === "either" ? FLAVORS : [flavor]) {
    for (const kernel of kernels) declare(name, { ...options, flavor: each, kernel }, test);
  }
}

/** One test: of one flavor, with one kernel. */
interface Declaration extends ScenarioOptions {
  flavor: Flavor;
  kernel: Kernel;
}

function declare(name: string, declaration: Declaration, test: StageTest): void {
  const { flavor, kernel, needs = [], patience = PATIENCE } = declaration;
  const { stage1 = SUBJECTS[flavor].stage1 } = declaration;
  const subject = { stage1, net: SUBJECTS[flavor].net, kernel: hostWith(kernel) };
  const missing = [...BASIC_NEEDS, ...needs].filter(({ met }) => !met).map(({ what }) => what);
  Deno.test({
    name: [
      name,
      kernel === "now" ? "" : `, on Linux ${kernel}`,
      flavor === "isolated" ? ", isolated" : "",
      missing.length === 0 ? "" : ` (needs ${missing.join(", ")})`,
    ].join(""),
    ignore: missing.length > 0,
    fn: (context) =>
      withoutLeftovers(() => onStage((stage) => test(stage, context), subject), patience),
  });
}

function hostWith(kernel: Kernel): Host {
  return kernel === "now" ? thisHost : olderHost(kernel);
}

/** How many milliseconds a test may take, unless it says otherwise. */
const PATIENCE = 60_000;

/** What the test before this one left: nothing more than there was before it. */
let unchanged: Traces | undefined;

/** Why a test failed matters more than what it then left behind. */
async function withoutLeftovers(test: () => Promise<void>, milliseconds: number): Promise<void> {
  const before = unchanged ?? takeTraces(TEMP_DIR, composedPods);
  unchanged = undefined;
  // Without its processes, a test that waits in vain goes on, and fails.
  const kill = () => killAll(newProcesses(before, takeTraces(TEMP_DIR, composedPods)));
  const patience = setTimeout(kill, milliseconds);
  const [outcome] = await Promise.allSettled([test()]);
  clearTimeout(patience);
  const after = takeTraces(TEMP_DIR, composedPods);
  killAll(newProcesses(before, after));
  if (outcome.status === "rejected") throw outcome.reason;
  const leftovers = compareTraces(before, after);
  if (leftovers.length > 0) throw new Error(`left behind:\n${leftovers.join("\n")}`);
  unchanged = after;
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
  subject: Subject & { kernel: Host },
): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "scenario-" });
  try {
    await using stage0 = await Stage0.open({ ...subject, cache: CACHE! });
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
  const { app, image, mounts, name, readOnlyRootFS, streams, ...pod } = options;
  const entry: AppOptions = {
    image: image ?? await busyboxImage(),
    name: name ?? "app",
    ...(app ? { app } : {}),
    ...(mounts ? { mounts } : {}),
    ...(readOnlyRootFS ? { readOnlyRootFS } : {}),
    ...(streams ? { streams } : {}),
  };
  return await stage0.prepare({ apps: [entry], ...pod });
}

/** One for all tests of a file: a pod never changes its image. */
let busybox: Promise<string> | undefined;

function busyboxImage(): Promise<string> {
  return busybox ??= makeImage(`${CACHE}/busybox-${crypto.randomUUID()}`);
}
