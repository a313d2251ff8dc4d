/**
 * The apps of a pod that runs, as `rkt app` adds, starts, stops, removes and lists them, and as
 * `rkt attach` attaches to them.
 *
 * @module
 */

import { type Host, must, type Result, thisHost } from "../host.ts";
import {
  type AppOptions,
  composeApp,
  MUTABLE,
  type PodManifest,
  type RuntimeApp,
} from "./manifest.ts";
import type { Pod } from "./pod.ts";
import { placeApp, shiftOwners } from "./pod_dir.ts";
import type { LaunchOptions, Program } from "./program.ts";
import { openTree, type Tree } from "./tree.ts";

/** The state of an app in `rkt app list`. */
export type AppState = "unknown" | "created" | "running" | "exited";

/** What `rkt app status` says of an app. */
export interface AppStatus {
  /** Its state. */
  state: AppState;
  /** Its exit status, if it has exited. */
  exitCode?: number;
}

/** What of an app's streams to attach to: the value of `--mode`, by default `auto`. */
export interface AttachOptions extends LaunchOptions {
  /** `auto`, `list`, or endpoints with commas in between. */
  mode?: string;
}

/** The words by which `--mode` names endpoints, and the flags of those. */
const ENDPOINTS: Readonly<Record<string, readonly string[]>> = {
  "tty": ["tty-in", "tty-out"],
  "tty-in": ["tty-in"],
  "tty-out": ["tty-out"],
  "stdin": ["stdin"],
  "stdout": ["stdout"],
  "stderr": ["stderr"],
};

/** What apps are placed with. */
export interface AppSite {
  /** The pod's stage1. */
  stage1: Tree;
  /** The directory where ACIs are unpacked. */
  cache: string;
  /** Whether the pod's trees are overlays. */
  overlay: boolean;
  /** The pod's own users, as `--private-users` spells them; empty for the host's. */
  privateUsers: string;
}

/** The apps of one pod. */
export class Apps {
  readonly #pod: Pod;
  readonly #site: AppSite;

  /** @param site What apps of this pod are placed with. */
  constructor(pod: Pod, site: AppSite) {
    this.#pod = pod;
    this.#site = site;
  }

  /** Adds an app: `rkt app add`. */
  async add(app: AppOptions, options: LaunchOptions = {}): Promise<Result> {
    return await (await this.startAdd(app, options)).result;
  }

  /** Begins to add an app. Until that has ended, no other can be added or removed. */
  async startAdd(app: AppOptions, options: LaunchOptions = {}): Promise<Program> {
    const lock = await this.#lockManifest();
    try {
      const name = await this.#prepareAdd(app, options.host);
      const args = ["--debug=false", `--uuid=${this.#pod.uuid}`, `--app=${name}`];
      const program = this.#pod.startCrossing("app/add", args, options);
      program.result.finally(() => lock.close());
      return program;
    } catch (error) {
      lock.close();
      throw error;
    }
  }

  /** Starts an app, also one that has ended: `rkt app start`. */
  start(name: string, options: LaunchOptions = {}): Promise<Result> {
    return this.startStart(name, options).result;
  }

  /** Begins to start an app. */
  startStart(name: string, options: LaunchOptions = {}): Program {
    this.#find(this.#readManifest(), name);
    removeIfThere(`${this.#statuses}/${name}-started`);
    removeIfThere(`${this.#statuses}/${name}`);
    Deno.writeTextFileSync(`${this.#statuses}/${name}-started`, "");
    return this.#startCrossing("app/start", name, options);
  }

  /** Stops an app: `rkt app stop`. */
  stop(name: string, options: LaunchOptions = {}): Promise<Result> {
    return this.startStop(name, options).result;
  }

  /** Begins to stop an app. */
  startStop(name: string, options: LaunchOptions = {}): Program {
    this.#find(this.#readManifest(), name);
    return this.#startCrossing("app/stop", name, options);
  }

  /**
   * Removes an app, also one that runs, and from a pod that has ended: `rkt app rm`.
   *
   * @returns The outcome of the last entrypoint; if it is not 0, the app is still there.
   * @throws {Error} when anything still holds the app's root file system.
   */
  async rm(name: string, options: LaunchOptions = {}): Promise<Result> {
    using _lock = await this.#lockManifest();
    this.#find(this.#readManifest(), name);
    const removed = await this.#leavePod(name, options);
    if (removed.code === 0) await this.#removeFiles(name, options.host);
    return removed;
  }

  /** Begins to remove an app from what runs, as `rm` does once the app has been stopped. */
  startRm(name: string, options: LaunchOptions = {}): Program {
    return this.#startCrossing("app/rm", name, options);
  }

  /** Lists all apps with their states: `rkt app list`. */
  list(): Record<string, AppState> {
    const { apps } = this.#readManifest();
    return Object.fromEntries(apps.map(({ name }) => [name, this.#status(name).state]));
  }

  /** Returns what is known of an app: `rkt app status`. */
  status(name: string): AppStatus {
    this.#find(this.#readManifest(), name);
    return this.#status(name);
  }

  /** Attaches to an app: `rkt attach`. */
  attach(name: string, { mode = "auto", ...options }: AttachOptions = {}): Program {
    const args = [...attachFlags(mode), `--app=${name}`, "--debug=false"];
    return this.#pod.startCrossing("attach", args, options);
  }

  get #statuses(): string {
    return `${this.#pod.stage1Rootfs}/rkt/status`;
  }

  #startCrossing(entrypoint: string, name: string, options: LaunchOptions): Program {
    return this.#pod.startCrossing(entrypoint, ["--debug=false", `--app=${name}`], options);
  }

  /** Writes all that stage0 has to have written before `app/add` begins. */
  async #prepareAdd(options: AppOptions, host?: Host): Promise<string> {
    const { dir } = this.#pod;
    if (!await this.#pod.isRunning()) throw new Error("pod is not running");
    const manifest = this.#readManifest();
    const tree = await openTree(options.image, this.#site.cache);
    const app = composeApp(options, tree.manifest, tree.id);
    const { name } = app;
    if (manifest.apps.some((other) => other.name === name)) {
      throw new Error(`error: multiple apps with name ${name}`);
    }
    await placeApp(dir, name, tree, this.#site.overlay, host);
    // rkt forgets to: whoever adds apps to such a pod has to do it by hand.
    const { privateUsers } = this.#site;
    if (privateUsers) await shiftOwners(this.#pod.appRootfs(name), privateUsers);
    await Deno.mkdir(`${this.#pod.stage1Rootfs}/rkt/env`, { recursive: true });
    await Deno.writeTextFile(`${this.#pod.stage1Rootfs}/rkt/env/${name}`, formatEnvironment(app));
    await this.#updateManifest({ ...manifest, apps: [...manifest.apps, app] });
    await Deno.writeTextFile(`${this.#statuses}/${name}-created`, "");
    return name;
  }

  /** Has the entrypoints stop and remove an app, if the pod runs. */
  async #leavePod(name: string, options: LaunchOptions): Promise<Result> {
    if (!await this.#pod.isRunning()) return { code: 0, signal: null, stdout: "", stderr: "" };
    const stopped = await this.#startCrossing("app/stop", name, options).result;
    if (stopped.code !== 0) return stopped;
    return await this.startRm(name, options).result;
  }

  /**
   * Removes an app's files, as rkt does: with an overlay, those of all apps of the same image, and
   * never the marks of its having been created and started.
   */
  async #removeFiles(name: string, host: Host = thisHost): Promise<void> {
    const { dir } = this.#pod;
    if (this.#site.overlay) {
      const id = await Deno.readTextFile(`${dir}/appsinfo/${name}/treeStoreID`);
      const root = this.#pod.appRootfs(name);
      await must(["sh", "-c", UNMOUNT, root], host);
      await removeAll(`${dir}/overlay/${id}`);
    }
    await removeAll(`${dir}/appsinfo/${name}`);
    await removeAll(`${this.#pod.stage1Rootfs}/opt/stage2/${name}`);
    removeIfThere(`${this.#pod.stage1Changes}/rkt/status/${name}`);
    removeIfThere(`${this.#pod.stage1Changes}/rkt/env/${name}`);
    const manifest = this.#readManifest();
    const apps = manifest.apps.filter((app) => app.name !== name);
    await this.#updateManifest({ ...manifest, apps });
  }

  #status(name: string): AppStatus {
    const file = (suffix: string) => `${this.#pod.stage1Changes}/rkt/status/${name}${suffix}`;
    if (!isThere(file("-created"))) return { state: "unknown" };
    if (!isThere(file("-started"))) return { state: "created" };
    if (!isThere(file(""))) return { state: "running" };
    return { state: "exited", exitCode: Number(Deno.readTextFileSync(file(""))) };
  }

  async #lockManifest(): Promise<Deno.FsFile> {
    const file = await Deno.open(`${this.#pod.dir}/pod.lck`, { read: true, write: true });
    await file.lock(true);
    return file;
  }

  /** @throws {Error} when the pod's apps cannot change. */
  #readManifest(): PodManifest {
    const manifest = JSON.parse(Deno.readTextFileSync(`${this.#pod.dir}/pod`)) as PodManifest;
    const mutable = manifest.annotations.find(({ name }) => name === MUTABLE)?.value;
    if (mutable !== "true") throw new Error("immutable pod");
    return manifest;
  }

  #find({ apps }: PodManifest, name: string): RuntimeApp {
    const found = apps.find((app) => app.name === name);
    if (found === undefined) throw new Error(`error: nonexistent app "${name}"`);
    return found;
  }

  async #updateManifest(manifest: PodManifest): Promise<void> {
    const file = `${this.#pod.dir}/pod`;
    const temporary = await Deno.makeTempFile({ dir: this.#pod.dir, prefix: "" });
    await Deno.chmod(temporary, (await Deno.stat(file)).mode! & 0o777);
    await Deno.writeTextFile(temporary, `${JSON.stringify(manifest)}\n`);
    await Deno.rename(temporary, file);
  }
}

/** Unmounts an app's root, without force: whoever still holds it keeps that from being done. */
const UNMOUNT = 'test ! -d "$0" || umount "$0"';

const DEFAULT_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  SHELL: "/bin/sh",
  USER: "root",
  LOGNAME: "root",
  HOME: "/root",
};

/** Formats the environment file of an added app: rkt ends each entry by a newline. */
function formatEnvironment({ name, app }: RuntimeApp): string {
  const own = app?.environment?.map((variable) => [variable.name, variable.value]) ?? [];
  return Object.entries({ ...DEFAULT_ENVIRONMENT, ...Object.fromEntries(own), AC_APP_NAME: name })
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

function attachFlags(mode: string): string[] {
  if (mode === "list") return ["--action=list"];
  if (mode === "auto") return ["--action=auto-attach"];
  const wanted = mode.split(",").flatMap((word) => ENDPOINTS[word]!);
  const all = ["tty-in", "tty-out", "stdin", "stdout", "stderr"];
  return ["--action=custom-attach", ...all.map((name) => `--${name}=${wanted.includes(name)}`)];
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function removeIfThere(path: string): void {
  if (isThere(path)) Deno.removeSync(path);
}

async function removeAll(path: string): Promise<void> {
  if (isThere(path)) await Deno.remove(path, { recursive: true });
}
