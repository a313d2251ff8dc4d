/**
 * What `explain` says of a pod: the task as a person calls it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { PodPlan } from "../../src/plan/pod.ts";
import { type Host, type Result, thisHost } from "../host.ts";
import type { Pod, RunFlags } from "../stage0.ts";

/** What becomes of a value that is written as JSON and read again. */
export type Json<T> = T extends ReadonlyMap<string, infer V> ? Record<string, Json<V>>
  : T extends object ? { [K in keyof T]: Json<T[K]> }
  : T;

/** A plan as `explain --json` prints it. */
export type Explained = Json<PodPlan>;

/** The plan of an app. */
export type ExplainedApp = Explained["apps"][number];

/** Where and for whom a pod is to be explained. */
export interface ExplainOptions {
  flags?: RunFlags;
  host?: Host;
  /** The caller's `TERM`. */
  term?: string;
}

const ROOT = new URL("../..", import.meta.url).pathname;

/** Runs the task to its end. Its standard streams are what `run` gets as well: pipes. */
export async function runExplain(
  pod: Pod,
  options: string[],
  { flags = {}, host = thisHost, term }: ExplainOptions = {},
): Promise<Result> {
  const argv = [Deno.execPath(), "run", "--allow-all", "--quiet", `${ROOT}tasks/explain.ts`];
  const [program, ...args] = host.wrap([
    ...argv,
    ...options,
    pod.dir,
    "--",
    ...pod.spellFlags(flags),
  ]);
  const child = new Deno.Command(program!, {
    args,
    clearEnv: true,
    env: { ...keptEnvironment(), ...(term === undefined ? {} : { TERM: term }) },
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  await child.stdin.close();
  const { code, signal, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, signal, stdout: text(stdout), stderr: text(stderr) };
}

/** Returns the plan of a pod that can be run. */
export async function explain(pod: Pod, options: ExplainOptions = {}): Promise<Explained> {
  const { code, stdout, stderr } = await runExplain(pod, ["--json"], options);
  assertEquals({ code, stderr }, { code: 0, stderr: "" }, stderr);
  return JSON.parse(stdout);
}

/** Returns it in words: one line for each thing that is done. */
export async function explainInWords(pod: Pod, options: ExplainOptions = {}): Promise<string[]> {
  const { code, stdout, stderr } = await runExplain(pod, [], options);
  assertEquals({ code, stderr }, { code: 0, stderr: "" }, stderr);
  return stdout.trimEnd().split("\n");
}

function keptEnvironment(): Record<string, string> {
  const cache = Deno.env.get("DENO_DIR");
  return {
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    HOME: "/root",
    NO_COLOR: "1",
    ...(cache === undefined ? {} : { DENO_DIR: cache }),
  };
}
