/**
 * A pod, as rkt handles it once its directory is composed.
 *
 * @module
 */

import { eventually, type Host, type Result } from "../host.ts";
import { childrenOf, type Mount, mountsUnder } from "../procfs.ts";
import { Apps } from "./apps.ts";
import { removeCgroups } from "./cgroups.ts";
import { type DnsModes, type RunFlags, spellFlags } from "./flags.ts";
import { annotation } from "./manifest.ts";
import { entrypoint, mountStage1, removeTree } from "./pod_dir.ts";
import { type LaunchOptions, Program } from "./program.ts";
import type { Tree } from "./tree.ts";

/** Options of `run`. */
export interface RunOptions extends LaunchOptions {
  /** The user's options. */
  flags?: RunFlags;
  /** Arguments that replace all others, including the UUID. */
  args?: string[];
}

/** Options of `enter`. */
export interface EnterOptions extends LaunchOptions {
  /** The process to enter; by default, the one that the pod's `pid` file names. */
  pid?: number | string;
  /** Flags that precede the others. */
  flags?: string[];
}

/** Options of `stop` and `gc`. */
export interface EndOptions extends LaunchOptions {
  /** Whether `stop` gets `--force`. */
  force?: boolean;
  /** Arguments that replace all others, including the UUID. */
  args?: string[];
}

/**
 * The descriptor of the lock. The shell that takes the lock knows only descriptors of one digit.
 */
export const LOCK_FD = 9;

/** What a pod is run with. */
export interface Surroundings {
  /** The kernel that entrypoints find. */
  kernel: Host;
  /** The value of `--net` where a test gives none. */
  net: string;
  /** The pod's own users, as `--private-users` spells them; empty for the host's. */
  privateUsers: string;
  /** The directory where ACIs are unpacked. */
  cache: string;
}

/** A composed pod. */
export class Pod implements AsyncDisposable {
  /** Its UUID. */
  readonly uuid: string;
  readonly #stage1: Tree;
  readonly #overlay: boolean;
  readonly #kernel: Host;
  /** The value of `--net` where a test gives none. */
  readonly net: string;
  readonly #privateUsers: string;
  readonly #programs: Program[] = [];
  /** Its apps, which come and go if it is mutable. */
  readonly apps: Apps;
  #dir: string;

  /** Takes over a composed directory, `…/run/UUID`. */
  constructor(
    dir: string,
    stage1: Tree,
    overlay: boolean,
    { kernel, net, privateUsers, cache }: Surroundings,
  ) {
    this.#dir = dir;
    this.#kernel = kernel;
    this.net = net;
    this.#privateUsers = privateUsers;
    this.uuid = dir.split("/").at(-1)!;
    this.#stage1 = stage1;
    this.#overlay = overlay;
    this.apps = new Apps(this, { stage1, cache, overlay, privateUsers });
  }

  /** The pod's directory; it moves when the pod becomes garbage. */
  get dir(): string {
    return this.#dir;
  }

  /** The root file system of the pod's stage1. */
  get stage1Rootfs(): string {
    return `${this.#dir}/stage1/rootfs`;
  }

  /**
   * Where rkt looks for what has been written to the stage1's root file system: in the overlay's
   * upper layer, which is there as long as the pod's directory.
   */
  get stage1Changes(): string {
    return this.#overlay ? `${this.#dir}/overlay/${this.#stage1.id}/upper` : this.stage1Rootfs;
  }

  /** Returns the root file system of an app. */
  appRootfs(app = "app"): string {
    return `${this.stage1Rootfs}/opt/stage2/${app}/rootfs`;
  }

  /** Runs the pod to its end. */
  async run(options: RunOptions = {}): Promise<Result> {
    return await (await this.#launchRun(options)).result;
  }

  /** Spells the arguments of `run` that precede the UUID. */
  spellFlags(flags: RunFlags = {}): string[] {
    const version = annotation(this.#stage1.manifest, "coreos.com/rkt/stage1/interface-version");
    const usual = { net: this.net, privateUsers: this.#privateUsers };
    return spellFlags({ ...usual, ...flags }, Number(version ?? 1));
  }

  /** Runs the pod in the background, and returns once the pod has recorded its PID. */
  async start(options: RunOptions = {}): Promise<Program> {
    const program = await this.#launchRun(options);
    await eventually("the pod's pid file", () => {
      if (program.ended) throw new Error(`run ended at once: ${program.stderr}`);
      return this.readNumber("pid") !== undefined || this.readNumber("ppid") !== undefined;
    });
    return program;
  }

  /** Runs a mutable pod in the background, and returns once apps can be added. */
  async startSandbox(options: RunOptions = {}): Promise<Program> {
    const program = await this.launch({ ...options, flags: { ...options.flags, mutable: true } });
    await eventually("the pod's readiness", () => {
      if (program.ended) throw new Error(`run ended at once: ${program.stderr}`);
      return this.isReady();
    });
    return program;
  }

  /** Tells whether the pod is ready, as `rkt status --wait-ready` does. */
  isReady(): boolean {
    try {
      return Deno.readLinkSync(`${this.stage1Changes}/rkt/supervisor-status`) === "ready";
    } catch {
      return false;
    }
  }

  /** Runs the pod in the background, and returns at once. */
  async launch(options: RunOptions = {}): Promise<Program> {
    return await this.#launchRun(options);
  }

  /** Runs a command in an app, to its end. */
  enter(app: string, command: string[], options: EnterOptions = {}): Promise<Result> {
    return this.startEnter(app, command, options).result;
  }

  /** Runs a command in an app in the background. */
  startEnter(app: string, command: string[], options: EnterOptions = {}): Program {
    const pid = options.pid ?? this.readNumber("pid") ?? 0;
    const flags = [...options.flags ?? [], `--pid=${pid}`, `--appname=${app}`];
    // rkt starts `enter` from the tree that pods share, not through the pod's own mount.
    const program = entrypoint(this.#stage1, this.#stage1.rootfs, "enter");
    return this.#launch([program, ...flags, "--", ...command], options);
  }

  /**
   * Starts an entrypoint as rkt starts those that cross into a pod that runs: on the host, told of
   * `enter`, with nothing of the caller's environment but `PATH`.
   *
   * @param name The entrypoint, such as `app/add`.
   */
  startCrossing(name: string, args: string[], options: LaunchOptions = {}): Program {
    const env = {
      HOME: undefined,
      RKT_STAGE1_ENTERCMD: this.#own("enter"),
      RKT_STAGE1_ENTERPID: String(this.containerPid()),
    };
    return this.#launch([this.#own(name), ...args], {
      ...options,
      env: { ...env, ...options.env },
    });
  }

  /** Returns the PID that rkt takes for the pod's first process. */
  containerPid(): number {
    const parent = this.readNumber("ppid");
    const child = parent === undefined ? undefined : childrenOf(parent)[0]?.pid;
    const pid = this.readNumber("pid") ?? child;
    if (pid === undefined) throw new Error("the pod has no pid");
    return pid;
  }

  /** Runs `stop`. */
  stop(options: EndOptions = {}): Promise<Result> {
    const args = options.args ?? [...options.force ? ["--force"] : [], this.uuid];
    return this.#launch([this.#own("stop"), ...args], options).result;
  }

  /** Moves the pod to the garbage, as stage0 does with pods that have ended, and runs `gc`. */
  async gc(options: EndOptions = {}): Promise<Result> {
    return await (await this.startGc(options)).result;
  }

  /** Moves the pod to the garbage and runs `gc` in the background. */
  async startGc(options: EndOptions = {}): Promise<Program> {
    await this.becomeGarbage();
    if (this.#overlay && mountsUnder(this.stage1Rootfs).length === 0) {
      await mountStage1(this.#dir, this.#stage1);
    }
    const args = options.args ?? ["--local-config", "/etc/rkt", this.uuid];
    return this.#launch([this.#own("gc"), ...args], options);
  }

  /** Moves the pod to the garbage, if it is not there. */
  async becomeGarbage(): Promise<void> {
    const garbage = this.#dir.replace("/pods/run/", "/pods/exited-garbage/");
    if (garbage === this.#dir) return;
    await Deno.mkdir(garbage.slice(0, garbage.lastIndexOf("/")), { recursive: true });
    await Deno.rename(this.#dir, garbage);
    this.#dir = garbage;
  }

  /** Tells whether a process holds the pod's lock, as `rkt list` does. */
  async isRunning(): Promise<boolean> {
    using dir = await Deno.open(this.#dir);
    return !await dir.tryLock(false);
  }

  /** Reads a number from a file of the pod's directory; undefined if there is none. */
  readNumber(file: "pid" | "ppid" | "pgid"): number | undefined {
    try {
      return Number(Deno.readTextFileSync(`${this.#dir}/${file}`));
    } catch {
      return undefined;
    }
  }

  /** Lists the mounts below the pod's directory, without the overlays that stage0 made. */
  foreignMounts(): Mount[] {
    return mountsUnder(this.#dir).filter(({ type, path }) =>
      type !== "overlay" || !path.endsWith("/rootfs")
    );
  }

  /** Kills what still runs, and unmounts and removes everything of the pod. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) program.kill("SIGKILL");
    await Promise.all(this.#programs.map((program) => program.result));
    await removeCgroups(this.#dir);
    await removeTree(this.#dir);
  }

  async #launchRun(options: RunOptions): Promise<Program> {
    await this.#writeDnsFiles(options.flags?.dns ?? {});
    const args = options.args ?? [...this.spellFlags(options.flags), this.uuid];
    const argv = [this.#own("run"), ...args];
    return this.#launch(argv, options, LOCK_FD);
  }

  #own(name: string): string {
    return entrypoint(this.#stage1, this.stage1Rootfs, name);
  }

  #launch(argv: string[], options: LaunchOptions, lockFd?: number): Program {
    const env = lockFd === undefined ? CLEAN_ENV : { ...CLEAN_ENV, ...runEnv(lockFd) };
    const command = { argv, dir: this.#dir, env, kernel: this.#kernel };
    const program = new Program(lockFd === undefined ? command : { ...command, lockFd }, options);
    this.#programs.push(program);
    return program;
  }

  async #writeDnsFiles({ resolv, hosts }: DnsModes): Promise<void> {
    const etc = `${this.stage1Rootfs}/etc`;
    if (resolv !== "stage0" && hosts !== "stage0") return;
    await Deno.mkdir(etc, { recursive: true });
    if (resolv === "stage0") await Deno.writeTextFile(`${etc}/rkt-resolv.conf`, STAGE0_RESOLV_CONF);
    if (hosts === "stage0") await Deno.writeTextFile(`${etc}/rkt-hosts`, STAGE0_HOSTS);
  }
}

/** The file that stage0 writes when the command line names name servers. */
export const STAGE0_RESOLV_CONF = "# Generated by rkt run\n\nnameserver 192.0.2.53\n";

/** The file that stage0 writes when the command line names hosts. */
export const STAGE0_HOSTS = "127.0.0.1 localhost\n192.0.2.7 database\n";

const CLEAN_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root" };

function runEnv(lockFd: number): Record<string, string> {
  return {
    RKT_LOCK_FD: String(lockFd),
    RKT_SELINUX_CONTEXT: "",
    RKT_SELINUX_MOUNT_CONTEXT: "",
  };
}
