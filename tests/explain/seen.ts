/**
 * A pod that runs, and what the kernel says of its processes.
 *
 * @module
 */

import { assert } from "@std/assert";
import { parseEnviron } from "../expect.ts";
import { type Host, must, thisHost } from "../host.ts";
import { childrenOf, type Mount, readMounts } from "../procfs.ts";
import type { Pod, Program } from "../stage0.ts";
import type { Explained, ExplainedApp } from "./explanation.ts";

/** An app that runs: what `explain` said of it, and the process that it is. */
export interface SeenApp {
  plan: ExplainedApp;
  pid: number;
}

/** A pod that runs: what `explain` said of it before, and its processes. */
export interface Seen {
  plan: Explained;
  pod: Pod;
  /** `run`. */
  program: Program;
  apps: SeenApp[];
  /** The pod's pid 1, if it has one. */
  first: number | undefined;
  host: Host;
}

/** Finds the processes of a pod whose apps are up. */
export function seePod(plan: Explained, pod: Pod, program: Program, host: Host = thisHost): Seen {
  return {
    plan,
    pod,
    program,
    apps: plan.apps.map((app) => ({ plan: app, pid: findApp(program.pid, app.name) })),
    first: plan.namespaces ? pod.readNumber("pid") : undefined,
    host,
  };
}

/** The topmost process of an app: `run` itself, where that has become it. */
function findApp(pid: number, app: string): number {
  for (let level = [pid]; level.length > 0;) {
    const found = level.find((it) => environmentOf(it)["AC_APP_NAME"] === app);
    if (found !== undefined) return found;
    level = level.flatMap((it) => childrenOf(it).map((child) => child.pid));
  }
  throw new Error(`app ${app} has no process below ${pid}`);
}

/** Returns the variables that a process began with. */
export function environmentOf(pid: number): Record<string, string> {
  return parseEnviron(Deno.readTextFileSync(`/proc/${pid}/environ`));
}

/** Returns the arguments that a process began with. */
export function argumentsOf(pid: number): string[] {
  return parseArguments(Deno.readTextFileSync(`/proc/${pid}/cmdline`));
}

/** Reads arguments as the kernel keeps them, with a zero after each. */
export function parseArguments(text: string): string[] {
  return text.split("\0").slice(0, -1);
}

/** Tells which file a path leads to: the same text is the same file. */
export function identityOf(path: string): string {
  const { dev, ino } = Deno.statSync(path);
  return `${dev}/${ino}`;
}

/** Returns the path by which the host sees one of a process. */
export function inRootOf(pid: number, path: string): string {
  return `/proc/${pid}/root${path}`;
}

/** Finds the mount of a process that begins at a path and hides all others there. */
export function mountAt(pid: number, path: string): Mount {
  const mount = readMounts(pid).findLast((it) => it.path === normalize(path));
  assert(mount !== undefined, `nothing is mounted on ${path}`);
  return mount;
}

/** Returns a path without doubled and trailing slashes. */
export function normalize(path: string): string {
  return `/${path.split("/").filter((part) => part !== "" && part !== ".").join("/")}`;
}

/** Runs a program of the host's in some namespaces of a process. */
export async function inNamespaces(
  { host }: Seen,
  pid: number,
  kinds: string[],
  argv: string[],
): Promise<string> {
  const flags = kinds.map((kind) => `--${kind}`);
  return await must(["nsenter", `--target=${pid}`, ...flags, "--", ...argv], host);
}
