/**
 * Pods whose apps come and go, and what their apps leave to be looked at.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { assertCode, assertQuiet } from "./expect.ts";
import { eventually, type Host, type Result } from "./host.ts";
import { findPodCgroups } from "./pod_cgroups.ts";
import { pidsSinceTestsBegan } from "./procfs.ts";
import type { Stage } from "./scenario.ts";
import type { App, AppOptions, Pod, PodOptions, Program, RunFlags } from "./stage0.ts";

/** What a sandbox has otherwise than usual. */
export interface SandboxOptions extends Omit<PodOptions, "apps" | "mutable"> {
  /** Flags of `run`. */
  flags?: RunFlags;
  /** The host that all of its programs are started on. */
  host?: Host;
}

/** An app to add: a shell script, and what it has otherwise than usual. */
export interface AddedApp extends Omit<AppOptions, "name" | "image" | "app"> {
  /** Fields of its `app` section. */
  app?: Partial<App>;
  /** Its image, by default its own: with an app, rkt removes the files of its image's others. */
  image?: string;
}

/** A script that stays until it is asked to end. */
export const STAY = "trap 'exit 0' TERM; echo up; while :; do sleep .02; done";

/** A pod that has begun without apps. */
export class Sandbox implements AsyncDisposable {
  readonly #stage: Pick<Stage, "stage0" | "image">;
  readonly #host: Host | undefined;
  /** The pod. */
  readonly pod: Pod;
  /** Its `run`. */
  readonly run: Program;

  private constructor(
    stage: Pick<Stage, "stage0" | "image">,
    pod: Pod,
    run: Program,
    host: Host | undefined,
  ) {
    this.#stage = stage;
    this.pod = pod;
    this.run = run;
    this.#host = host;
  }

  /** Starts one, and returns once apps can be added. */
  static async open(
    stage: Pick<Stage, "stage0" | "image">,
    { flags = {}, host, ...options }: SandboxOptions = {},
  ): Promise<Sandbox> {
    const pod = await stage.stage0.sandbox(options);
    try {
      const run = await pod.startSandbox({ flags, ...(host ? { host } : {}) });
      return new Sandbox(stage, pod, run, host);
    } catch (error) {
      await pod[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Adds an app that is a shell script. */
  async add(name: string, text: string, options: AddedApp = {}): Promise<Result> {
    return await (await this.startAdd(name, text, options)).result;
  }

  /** Begins to add an app that is a shell script. */
  async startAdd(name: string, text: string, options: AddedApp = {}): Promise<Program> {
    const image = options.image ?? await this.#stage.image({});
    const environment = [this.#identity(name)];
    const app = { exec: ["/bin/sh", "-c", text], environment, ...options.app };
    return await this.pod.apps.startAdd({ ...options, image, name, app }, this.launching);
  }

  /** Starts an app, which has to succeed. */
  async start(name: string): Promise<void> {
    assertQuiet(await this.pod.apps.start(name, this.launching));
  }

  /** Adds and starts an app, which has to succeed. */
  async launch(name: string, text: string, options: AddedApp = {}): Promise<void> {
    assertQuiet(await this.add(name, text, options));
    await this.start(name);
  }

  /** Stops an app, which has to succeed. */
  async stop(name: string): Promise<void> {
    assertQuiet(await this.pod.apps.stop(name, this.launching));
  }

  /** Removes an app, which has to succeed. */
  async remove(name: string): Promise<void> {
    assertQuiet(await this.pod.apps.rm(name, this.launching));
  }

  /** Reads an app's log. */
  log(name: string): string {
    try {
      return Deno.readTextFileSync(`${this.pod.dir}/log/${name}.log`);
    } catch {
      return "";
    }
  }

  /** Waits until an app has written a text. */
  async prints(name: string, text = "up\n"): Promise<void> {
    await eventually(`${JSON.stringify(text)} of ${name}`, () => {
      if (this.run.ended) throw new Error(`run has ended: ${this.run.stderr}`);
      return this.log(name).includes(text);
    });
  }

  /** Waits until an app has ended, and returns its exit status. */
  async ends(name: string): Promise<number> {
    await eventually(`the end of ${name}`, () => this.pod.apps.status(name).state === "exited");
    return this.pod.apps.status(name).exitCode!;
  }

  /** Returns the host's PID of an app's first process, by a variable that `add` gives to it. */
  processOf(name: string): number {
    const found = this.processesOf(name);
    if (found.length === 0) throw new Error(`no process of the app ${name}`);
    return Math.min(...found);
  }

  /** Lists the host's PIDs of an app's processes, with those of its handlers. */
  processesOf(name: string): number[] {
    const { name: variable, value } = this.#identity(name);
    return pidsSinceTestsBegan()
      // Of one that has ended, the kernel has no variables.
      .filter((pid) => environmentOf(pid).includes(`${variable}=${value}`));
  }

  #identity(app: string): { name: string; value: string } {
    return { name: "IDENTITY", value: `${this.pod.uuid}/${app}` };
  }

  /** How entrypoints of this pod are started. */
  get launching(): { host?: Host } {
    return this.#host ? { host: this.#host } : {};
  }

  /** Stops the pod, which has to end in order, and collects it: nothing may be left. */
  async close(): Promise<void> {
    assertQuiet(await this.pod.stop(this.launching));
    assertCode(await this.run.result, 0);
    await this.collect();
  }

  /** Collects the pod, however it has ended: nothing may be left. */
  async collect(): Promise<void> {
    assertCode(await this.pod.gc(this.launching), 0);
    assertEquals(findPodCgroups([this.pod.uuid]), []);
    assertEquals(this.pod.foreignMounts(), []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pod[Symbol.asyncDispose]();
  }
}

function environmentOf(pid: number): string[] {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/environ`).split("\0");
  } catch {
    return [];
  }
}
