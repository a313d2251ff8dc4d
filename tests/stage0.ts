/**
 * A stand-in for rkt's stage0: it composes a pod directory, takes the lock, and drives a stage1's
 * entrypoints exactly as rkt does. It fetches nothing, verifies nothing, and remembers nothing.
 *
 * ```ts
 * await using stage0 = await Stage0.open({ stage1: "dist/stage1-volo.aci" });
 * await using pod = await stage0.prepare({ apps: [{ image: "busybox.aci" }] });
 * const { code, stdout } = await pod.run();
 * ```
 *
 * @module
 */

import { execute, type Host, thisHost } from "./host.ts";
import { Pod } from "./stage0/pod.ts";
import { composePodDir, type PodOptions, removeTree, usesOverlay } from "./stage0/pod_dir.ts";
import { openTree, type Tree } from "./stage0/tree.ts";

export type { DnsModes, RunFlags } from "./stage0/flags.ts";
export type { AppState, AppStatus } from "./stage0/apps.ts";
export type {
  App,
  AppOptions,
  ExposedPort,
  ImageManifest,
  StreamModes,
  Volume,
  VolumeMount,
} from "./stage0/manifest.ts";
export { type EndOptions, type EnterOptions, Pod, type RunOptions } from "./stage0/pod.ts";
export type { PodOptions } from "./stage0/pod_dir.ts";
export { type LaunchOptions, Program } from "./stage0/program.ts";

/** What a stage0 is opened with. */
export interface Stage0Options {
  /** The stage1: an ACI file, or a directory with `manifest` and `rootfs`. */
  stage1: string;
  /**
   * The directory where ACIs are unpacked for later use too; by default, one that ends with the
   * stage0.
   */
  cache?: string;
  /** The kernel that entrypoints find; by default, this machine's. */
  kernel?: Host;
  /** The value of `--net` where a test gives none; by default, what rkt passes. */
  net?: string;
}

/** The UUIDs of all pods that this process has composed. */
export const composedPods: string[] = [];

/** A stage0 with a data directory of its own. */
export class Stage0 implements AsyncDisposable {
  readonly #dir: string;
  readonly #cache: string;
  readonly #stage1: Tree;
  readonly #kernel: Host;
  readonly #net: string;
  /** Whether overlays can be mounted over the data directory. */
  readonly overlay: boolean;

  private constructor(
    dir: string,
    cache: string,
    stage1: Tree,
    { kernel = thisHost, net = "default" }: Stage0Options,
    overlay: boolean,
  ) {
    this.#dir = dir;
    this.#cache = cache;
    this.#stage1 = stage1;
    this.#kernel = kernel;
    this.#net = net;
    this.overlay = overlay;
  }

  /** Opens a stage1; the data directory is made below the temporary directory. */
  static async open(options: Stage0Options): Promise<Stage0> {
    const dir = await Deno.makeTempDir({ prefix: "stage0-" });
    try {
      const cache = options.cache ?? `${dir}/cache`;
      const stage1 = await openTree(options.stage1, cache);
      return new Stage0(dir, cache, stage1, options, await canMountOverlays(dir));
    } catch (error) {
      await Deno.remove(dir, { recursive: true });
      throw error;
    }
  }

  /** The directory with all pods. A test may mount a disk there, before it composes one. */
  get podsDirectory(): string {
    return `${this.#dir}/pods`;
  }

  /** Composes a pod. */
  async prepare(options: PodOptions): Promise<Pod> {
    const dir = `${this.podsDirectory}/run/${crypto.randomUUID()}`;
    const site = { dir, stage1: this.#stage1, cache: this.#cache, overlay: this.overlay };
    await composePodDir(site, options);
    const { privateUsers = "" } = options;
    const overlay = usesOverlay(site, options);
    const run = { kernel: this.#kernel, net: this.#net, privateUsers, cache: this.#cache };
    const pod = new Pod(dir, this.#stage1, overlay, run);
    composedPods.push(pod.uuid);
    return pod;
  }

  /** Composes a pod without apps, as `rkt app sandbox` does. */
  sandbox(options: Omit<PodOptions, "apps" | "mutable"> = {}): Promise<Pod> {
    return this.prepare({ ...options, apps: [], mutable: true });
  }

  /** Removes the data directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.#dir);
  }
}

/** Whether overlays can be mounted, by the device number of the file system. */
const overlays = new Map<number, Promise<boolean>>();

/** Tells whether overlays can be mounted over a directory; each file system is tried once. */
async function canMountOverlays(dir: string): Promise<boolean> {
  const { dev } = await Deno.stat(dir);
  const known = overlays.get(dev) ?? mountsOverlays(dir);
  overlays.set(dev, known);
  return await known;
}

/** Tries to mount an overlay: the kernel and the directory's file system must support it. */
async function mountsOverlays(dir: string): Promise<boolean> {
  const trial = `${dir}/trial`;
  for (const part of ["lower", "upper", "work", "merged"]) {
    await Deno.mkdir(`${trial}/${part}`, { recursive: true });
  }
  const layers = `lowerdir=${trial}/lower,upperdir=${trial}/upper,workdir=${trial}/work`;
  const target = `${trial}/merged`;
  const mounted = await execute(["mount", "-t", "overlay", "overlay", "-o", layers, target]);
  if (mounted.code === 0) await execute(["umount", target]);
  await Deno.remove(trial, { recursive: true });
  return mounted.code === 0;
}
